#!/bin/sh
# A private slapd for unit tests: mini-slapd.sh DIR PORT. The first start fills DIR, later ones go on
# with what is there. It stays in the foreground: the caller's child is slapd itself.
# MINI_SLAPD_SESSIONLOG=N gives syncprov a session log of N operations. MINI_SLAPD_TLS=NAME makes a
# certificate for NAME (DIR/ca.pem is its authority) and offers StartTLS; ldaps:// with
# MINI_SLAPD_SCHEME=ldaps. MINI_SLAPD_SILENT=1: no syncprov. MINI_SLAPD_NO_CSN=1: nobody reads an
# entryCSN; MINI_SLAPD_NO_UUID=1: nor an entryUUID. MINI_SLAPD_SIZE=N cuts the answers to the bridge's account.
set -eu
dir=$1
port=$2
here=$(cd "$(dirname "$0")/../.." && pwd)
suffix=dc=example,dc=org

tls_configuration() {
    [ -n "${MINI_SLAPD_TLS:-}" ] || return 0
    echo "TLSCACertificateFile $dir/ca.pem"
    echo "TLSCertificateFile $dir/cert.pem"
    echo "TLSCertificateKeyFile $dir/key.pem"
}

write_certificates() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
        -subj "/CN=test authority" -keyout "$dir/ca.key" -out "$dir/ca.pem"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=test" \
        -keyout "$dir/key.pem" -out "$dir/request.pem"
    echo "subjectAltName=$MINI_SLAPD_TLS" >"$dir/extensions"
    openssl x509 -req -in "$dir/request.pem" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" \
        -CAcreateserial -days 2 -extfile "$dir/extensions" -out "$dir/cert.pem"
}

write_configuration() {
    cat <<CONF
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include $here/conf/kiops.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
moduleload unique
moduleload ppolicy
pidfile $dir/pid
argsfile $dir/args
writetimeout 2
$(tls_configuration)
database mdb
suffix $suffix
directory $dir/db
maxsize 268435456
rootdn cn=root,$suffix
dbnosync
index objectClass,uid,entryUUID,entryCSN eq
${MINI_SLAPD_NO_CSN:+access to attrs=entryCSN by * none}
${MINI_SLAPD_NO_UUID:+access to attrs=entryUUID by * none}
access to * by dn.exact="cn=bridge,$suffix" write by * auth
limits dn.exact="cn=bridge,$suffix" size=${MINI_SLAPD_SIZE:-unlimited} time=unlimited
overlay unique
unique_uri "serialize ldap:///?uid?sub"
overlay ppolicy
ppolicy_default cn=policy,$suffix
CONF
    [ -n "${MINI_SLAPD_SILENT:-}" ] || echo "overlay syncprov"
    [ "${MINI_SLAPD_SESSIONLOG:-0}" = 0 ] || echo "syncprov-sessionlog $MINI_SLAPD_SESSIONLOG"
}

write_base() {
    cat <<LDIF
dn: $suffix
objectClass: dcObject
objectClass: organization
o: Example

dn: cn=bridge,$suffix
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: bridge-password

dn: cn=policy,$suffix
objectClass: organizationalRole
objectClass: pwdPolicy
pwdAttribute: userPassword
pwdMinLength: 8
pwdCheckQuality: 1

dn: ou=people,$suffix
objectClass: organizationalUnit

dn: ou=away,$suffix
objectClass: organizationalUnit

dn: ou=organizations,$suffix
objectClass: organizationalUnit

dn: ou=kiops,$suffix
objectClass: organizationalUnit

dn: ou=tokens,ou=kiops,$suffix
objectClass: organizationalUnit

dn: cn=admins,ou=kiops,$suffix
objectClass: groupOfNames
member: cn=nobody,ou=kiops,$suffix
LDIF
}

ulimit -n 1024 # slapd sizes a table by it
[ -z "${MINI_SLAPD_TLS:-}" ] || write_certificates >"$dir/log" 2>&1
write_configuration >"$dir/slapd.conf"
if [ ! -d "$dir/db" ]; then
    mkdir "$dir/db"
    write_base | /usr/sbin/slapadd -q -f "$dir/slapd.conf" >"$dir/log" 2>&1
fi
exec /usr/sbin/slapd -d 0 -h "${MINI_SLAPD_SCHEME:-ldap}://127.0.0.1:$port/" -f "$dir/slapd.conf" >>"$dir/log" 2>&1
