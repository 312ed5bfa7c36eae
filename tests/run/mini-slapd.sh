#!/bin/sh
# A private slapd for unit tests: mini-slapd.sh DIR PORT. The first start fills DIR, later ones go on
# with what is there. It stays in the foreground: the caller's child is slapd itself.
# MINI_SLAPD_SESSIONLOG=N gives syncprov a session log of N operations.
set -eu
dir=$1
port=$2
here=$(cd "$(dirname "$0")/../.." && pwd)
suffix=dc=example,dc=org

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
database mdb
suffix $suffix
directory $dir/db
maxsize 268435456
rootdn cn=root,$suffix
dbnosync
index objectClass,uid,entryUUID,entryCSN eq
access to * by dn.exact="cn=bridge,$suffix" write by * auth
limits dn.exact="cn=bridge,$suffix" size=unlimited time=unlimited
overlay unique
unique_uri "serialize ldap:///?uid?sub"
overlay ppolicy
ppolicy_default cn=policy,$suffix
overlay syncprov
CONF
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
write_configuration >"$dir/slapd.conf"
if [ ! -d "$dir/db" ]; then
    mkdir "$dir/db"
    write_base | /usr/sbin/slapadd -q -f "$dir/slapd.conf" >"$dir/log" 2>&1
fi
exec /usr/sbin/slapd -d 0 -h "ldap://127.0.0.1:$port/" -f "$dir/slapd.conf" >>"$dir/log" 2>&1
