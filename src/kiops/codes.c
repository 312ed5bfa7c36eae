/* The texts of rules and finding codes, as `kiops-bridge rules` prints them. */
#include "kiops/kiops.h"

static const struct kiops_rule rules[] = {
    {"KB-R01", "Roles are exactly PlatformAdmin, Manager and Member. Any other name is refused "
               "(400). Core roles of a token without write_roles assign nothing."},
    {"KB-R02", "Only a PlatformAdmin grants Manager."},
    {"KB-R03", "Only a PlatformAdmin grants or revokes PlatformAdmin. A Manager changes neither "
               "role, permissions nor membership of a PlatformAdmin."},
    {"KB-R04", "Nobody changes their own role, permissions, membership or active, nor deletes "
               "themselves, PlatformAdmins included. Making and withdrawing the own join request "
               "is the exception."},
    {"KB-R05", "A Manager acts only inside organizations where they are Manager: approves and "
               "rejects requests, removes Members. An organization that they are neither in nor "
               "may ask to join does not exist for them (404)."},
    {"KB-R06", "A Manager grants and revokes the permissions of Members; permissions of Managers "
               "are a PlatformAdmin's. Promotion and demotion keep permissions."},
    {"KB-R07", "An organization keeps at least one Manager that counts: the last one cannot be "
               "removed, demoted or deleted (409). A vacant seat is filled by a PlatformAdmin."},
    {"KB-R08", "A Manager may demote or remove another Manager while KB-R07 holds."},
    {"KB-R09", "A Member or outsider neither lists users nor writes (403); a token with access "
               "read writes nothing (403); an inactive user is not authenticated (401)."},
    {"KB-R10", "Who is added or approved gets Member and no permissions. A request that also names "
               "a role or permissions is judged as add, then promote, then grant; one refusal "
               "refuses all."},
    {"KB-R11", "A rejected person may ask again. A second pending request, or one by a member, is "
               "409 for a person and a success without change for a token. A closed organization "
               "takes no request of a person (403)."},
    {"KB-R12", "Removal ends role, permissions and membership of that organization at once and "
               "touches no other."},
    {"KB-R13", "A user may be in many organizations, with a different role in each."},
    {"KB-R14", "Permissions are infra, service, backup, device, database, vpn and audit. Others "
               "are refused (400)."},
    {"KB-R15", "Authority is evaluated on current state in every request; no new login is needed."},
    {"KB-R16", "The last active PlatformAdmin cannot be revoked or deleted by anyone, nor "
               "deactivated by a person; a provisioning token may deactivate (reported). "
               "Reactivating does not bring the role back."},
    {"KB-R17", "A Manager changes name, description and join policy of own organizations. Creating "
               "and deleting organizations is a PlatformAdmin's. Configuration, tokens and jobs "
               "have no HTTP door."},
    {"KB-R18", "Creating, editing and deleting user records, and the list of all users, is a "
               "PlatformAdmin's; a Manager's list shows the people of the own organizations."},
    {"KB-R19", "Deactivating a user is always allowed to a PlatformAdmin, even the last Manager: "
               "access ends at once, the seat is reported vacant, and the inactive one may then be "
               "removed or deleted."},
    {"KB-R20", "A token with push mode request makes pending requests where it would add members, "
               "and does not ask again within reject_quiet_days. One request of a token removes at "
               "most max_removals members of an organization (409)."},
    {"KB-R21", "Adding a member without a request is a PlatformAdmin's; a Manager approves."},

    {"KB-C101", "The directory could not be read to the end: nothing was concluded from it."},
    {"KB-C102", "An entry could not be read: it is left as it is."},
    {"KB-C103", "A kiops value has not its form: it has no effect."},
    {"KB-C104", "kiopsResource is not readable: the LDAP attributes are shown alone."},
    {"KB-C105", "A remote system could not be read to the end: nothing was concluded from it."},

    {"KB-C201", "Two entries have the same userName: neither is merged."},
    {"KB-C202", "Two entries have the same e-mail address: neither is merged."},
    {"KB-C203", "Two entries have the same externalId of one client: neither is merged."},
    {"KB-C204", "A member value names no entry (dangling DN): it is hidden."},
    {"KB-C205", "An owner value without kiopsManager on the person: no Manager."},
    {"KB-C206", "kiopsManager without the owner value: no Manager."},
    {"KB-C207", "A member without kiopsJoined: the join date is unknown, nothing more than "
                "Member."},
    {"KB-C208", "kiopsPermission of an organization the person is no member of: no effect."},
    {"KB-C209", "kiopsJoined of an organization the person is no member of: no effect."},
    {"KB-C210", "A member of the platform group without kiopsJoined platform, or the reverse: no "
                "PlatformAdmin."},
    {"KB-C211", "An organization without a Manager that counts: its seat is vacant."},
    {"KB-C212", "kiopsRequest of a member: no effect."},
    {"KB-C213", "A value names an organization that does not exist: no effect."},
    {"KB-C214", "An attribute that SCIM knows with one value has several: the first in order "
                "counts."},
    {"KB-C215", "An attribute in LDAP is not as it was last asserted: LDAP is shown."},
    {"KB-C216", "A member or owner value names an entry that is no user here: it is hidden."},
    {"KB-C217", "The entry is not any more as the plan saw it: the line is left out."},
    {"KB-C218", "A person was renamed by another hand, and a group names them as before."},
    {"KB-C219", "A line of a plan rests on another one that was not made."},
    {"KB-C220", "A source names somebody who is not here."},
    {"KB-C221", "A source names somebody or something by a name that several have here."},
    {"KB-C222", "A record of a source cannot be kept as it is: it is left out."},
    {"KB-C223", "Two records of a source are the same here: neither is used."},
    {"KB-C224", "An organization that a source brought is not there any more: it stays as it is."},
    {"KB-C225", "What stands for ours at a provider is somebody else's, or several: left alone."},

    {"KB-C301", "A join was cut off: kiopsJoined is there, member is not. Repeat it."},
    {"KB-C302", "A removal was cut off: member is there, kiopsJoined is not. Repeat it."},
    {"KB-C303", "A promotion was cut off: kiopsManager is there, owner is not. Repeat it."},
    {"KB-C304", "A demotion was cut off: owner is gone, kiopsManager is there. Repeat it."},
    {"KB-C305", "The deletion of a user was cut off: the entry is there without its roles. Repeat "
                "it."},
    {"KB-C306", "The deletion of an organization was cut off: values of people still name it. "
                "Repeat it."},
    {"KB-C307", "A grant or revocation of PlatformAdmin was cut off. Repeat it."},
    {"KB-C308", "An audit intent has no outcome: the change may or may not have been made."},
};

size_t kiops_rules(const struct kiops_rule **out)
{
    *out = rules;
    return sizeof rules / sizeof *rules;
}
