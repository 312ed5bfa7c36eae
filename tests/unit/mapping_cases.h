/*
 * Users that must come back as they went, from a fake entry and from slapd alike. Single quotes
 * stand for double ones.
 */
#pragma once

static const struct {
    const char *name, *resource;
} round_trips[] = {
    {"userName only", "{'userName':'ann','active':true}"},
    {"inactive", "{'userName':'ann','active':false}"},
    {"a name without a family name",
     "{'userName':'ann','name':{'givenName':'Ann','honorificPrefix':'Dr'},'active':true}"},
    {"a family name that is the userName",
     "{'userName':'ann','name':{'familyName':'ann'},'active':true}"},
    {"a formatted name that is the displayName",
     "{'userName':'ann','name':{'formatted':'Ann K'},'displayName':'Ann K','active':true}"},
    {"one address twice",
     "{'userName':'ann','active':true,'emails':[{'value':'a@x.org','type':'work'},"
     "{'value':'A@x.org','type':'home','primary':true}]}"},
    {"types of telephones",
     "{'userName':'ann','active':true,'phoneNumbers':[{'value':'+49 1','type':'work'},"
     "{'value':'+49-2','type':'mobile'},{'value':'+49 "
     "3','type':'fax'},{'value':'4','type':'pager'},"
     "{'value':'5','type':'home'},{'value':'6','type':'other'},{'value':'7'},"
     "{'value':'+49 1','type':'home','display':'x'}]}"},
    {"telephones that differ in blanks",
     "{'userName':'ann','active':true,'phoneNumbers':[{'value':'+49 1','type':'work'},"
     "{'value':'+491','type':'other'},{'value':'+49-1','type':'work'}]}"},
    {"order", "{'userName':'ann','active':true,'emails':[{'value':'z@x.org'},{'value':'b@x.org'},"
              "{'value':'m@x.org'},{'value':'a@x.org'}]}"},
    {"an item without a value",
     "{'userName':'ann','active':true,'emails':[{'type':'work','display':'none yet'}]}"},
    {"values that LDAP refuses",
     "{'userName':'ann','active':true,'emails':[{'value':'\\u00e4@x.org','type':'work'}],"
     "'phoneNumbers':[{'value':'tel:+1-201;ext=3','type':'work'}],'title':'   '}"},
    {"two addresses",
     "{'userName':'ann','active':true,'addresses':[{'streetAddress':'Hafen 1','locality':'Kiel',"
     "'type':'home'},{'formatted':'1 Main St\\nX','streetAddress':'1 Main St\\nB','region':'CA',"
     "'postalCode':'1','country':'Germany','type':'work','primary':true}]}"},
    {"an address of a kind alone",
     "{'userName':'ann','active':true,'addresses':[{'type':'home'}]}"},
    {"roles of others",
     "{'userName':'ann','active':true,'roles':[{'value':'Boss','type':'Wind','primary':true}]}"},
    {"letters beyond ASCII",
     "{'userName':'\\uae40\\ubbfc','name':{'familyName':'\\uae40'},'displayName':'\\uae40\\ubbfc',"
     "'active':true}"},
    {"userName with every special character of a DN",
     "{'userName':'#a,b+c\\\"d\\\\e<f>g;h=i ','active':true}"},
    {"every attribute",
     "{'userName':'ann','name':{'formatted':'Dr Ann K','familyName':'K','givenName':'Ann',"
     "'middleName':'B','honorificPrefix':'Dr','honorificSuffix':'II'},'displayName':'Ann',"
     "'nickName':'An','profileUrl':'https://x.org/ann','title':'Welder','userType':'Employee',"
     "'preferredLanguage':'de-DE','locale':'de-DE','timezone':'Europe/Berlin','active':true,"
     "'emails':[{'value':'a@x.org','display':'A','type':'work','primary':true}],"
     "'phoneNumbers':[{'value':'1','type':'work'}],'ims':[{'value':'ann','type':'xmpp'}],"
     "'photos':[{'value':'https://x.org/a.png','type':'photo'}],"
     "'addresses':[{'formatted':'f','streetAddress':'s','locality':'l','region':'r',"
     "'postalCode':'p','country':'DE','type':'work','primary':true}],"
     "'entitlements':[{'value':'e'}],'roles':[{'value':'r'}],"
     "'x509Certificates':[{'value':'AAAA'}],"
     "'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User':{'employeeNumber':'77',"
     "'costCenter':'c','organization':'o','division':'d','department':'Hull',"
     "'manager':{'value':'26118915-6090-4610-87e4-49d8ca9f808d'}}}"},
};

#define ROUND_TRIPS (sizeof round_trips / sizeof *round_trips)
