package attacklog

import (
	"net/netip"
	"regexp"
	"strings"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// form is how one product writes a sign-in. The groups ip and user name the
// address and the account; a form without user does not know the account.
type form struct{ product, pattern string }

// signInForm is a form and what it says of the sign-in.
type signInForm struct {
	pattern *regexp.Regexp
	outcome string
}

// signInForms are tried in order; the first that matches reads the line. Each
// stands for a product, not for a line of a test.
//
//nolint:gochecknoglobals // A constant: Go has no constant tables.
var signInForms = compile(event.AuthFailure,
	// Web applications.
	form{"AdGuard Home", `/control/login: from ip (?P<ip>\S+): invalid username or password`},
	form{"AdGuard Home", `\[error\] POST (?P<ip>\S+) /control/login: invalid username or password`},
	form{"Guacamole", `Authentication attempt from \[?(?P<ip>[0-9A-Fa-f.:]+)[^"]*for user "(?P<user>[^"]*)" failed`},
	form{"Apereo CAS", `\(username=(?P<user>[^,)]*).*\|AUTHENTICATION_FAILED\|[^|]*\|(?P<ip>[^|]+)\|`},
	form{"Authelia", `Unsuccessful 1FA authentication attempt by user '(?P<user>[^']*)'.*remote_ip"?[=:] ?"?(?P<ip>[^" ]+)`},
	form{"Authelia", `username input '(?P<user>[^']*)' which usually indicates.*remote_ip"?[=:] ?"?(?P<ip>[^" ]+)`},
	form{"authentik", `"action": ?"(?:invalid_identifier|login_failed)".*"client_ip": ?"(?P<ip>[^"]+)".*"(?:identifier|username)": ?"(?P<user>[^"]*)"`},
	form{"Baikal", `\[client (?P<ip>[^\]]+?)(?::\d+)?\].*user (?P<user>.+) authentication failure for Baikal`},
	form{"Bitwarden", `Failed login attempt\. (?P<ip>\S+)`},
	form{"Calibre-Web", `Login failed for user "(?P<user>[^"]*)" IP-address: (?P<ip>\S+)`},
	form{"Dockge", `Incorrect username or password for user (?P<user>.+)\. IP=(?P<ip>\S+)`},
	form{"GitLab", `"method":"POST","path":"/users/sign_in".*"login":"(?P<user>[^"]*)".*"remote_ip":"(?P<ip>[^"]+)"`},
	form{"GitLab", `"action":"failure".*"key":"username","value":"(?P<user>[^"]*)".*"remote_ip":"(?P<ip>[^"]+)"`},
	form{"Gotify", `\[GIN\].*\| 401 \|[^|]*\|\s*(?P<ip>\S+) \| POST`},
	form{"Grafana", `(?:Invalid username or password|password-auth\.failed).*remote_addr"?[=:]"?(?P<ip>[^" ]+)`},
	form{"Harbor", `client IP="(?P<ip>[^",]+).*failed to authenticate user:(?P<user>[^,]+),`},
	form{"Home Assistant", `invalid authentication from \S+ \((?P<ip>[^)]+)\)`},
	form{"Immich", `Failed login attempt for user (?P<user>\S+) from ip address (?P<ip>\S+)`},
	form{"Jellyfin", `Authentication request for "?(?P<user>[^" ]+)"? has been denied \(IP: "?(?P<ip>[^")]+)"?\)`},
	form{"Jellyseerr", `Failed (?:sign-in|login) attempt.*"ip":"(?P<ip>[^"]+)","email":"(?P<user>[^"]*)"`},
	form{"Joplin", `POST /api/sessions: (?P<ip>\S+): Invalid username or password: \{"email":"(?P<user>[^"]*)"`},
	form{"Keycloak", `type="?LOGIN_ERROR"?,.*ipAddress="?(?P<ip>[^",]+)"?,.*username="?(?P<user>[^",]+)`},
	form{"LemonLDAP", `(?:LLNG|lemonldap-ng)\[\d+\]: .*Bad password for (?P<user>\S+) \((?P<ip>[^)]+)\)`},
	form{"LemonLDAP", `(?:LLNG|lemonldap-ng)\[\d+\]: .* (?P<user>\S+) was not found in LDAP directory \((?P<ip>[^)]+)\)`},
	form{"Miniflux", `authentication_failed=true client_ip=(?P<ip>\S+).*username=(?P<user>\S+)`},
	form{"nginx, Basic", `user "(?P<user>[^"]*)"(?: was not found in "[^"]*"|: password mismatch), client: (?P<ip>[^,]+),`},
	form{"nginx, mail", `client login failed: .*client: (?P<ip>[^,]+), .*login: "(?P<user>[^"]*)"`},
	form{"Ombi, Stirling", `Failed login attempt (?:by|from) IP: \[?(?P<ip>[^\]\s]+)`},
	form{"OpenSearch", `"statusCode":401,.*"url":"/auth/login.*"remoteAddress":"(?P<ip>[^"]+)"`},
	form{"OPNsense, pfSense", `authentication error for (?:user )?'(?P<user>[^']*)' from:? (?P<ip>\S+)`},
	form{"Proxmox", `authentication failure; rhost=(?P<ip>\S+) user=(?P<user>\S+)`},
	form{"qBittorrent", `WebAPI login failure\..* IP: (?P<ip>[^,]+), username: (?P<user>\S+)`},
	form{"Sonarr", `Auth-Failure ip (?P<ip>\S+) username '(?P<user>[^']*)'`},
	form{"Teleport", `"event":"user\.login".*"user":"(?P<user>[^"]*)","success":false.*"addr\.remote":"(?P<ip>[^"]+)"`},
	form{"TheHive", `AccessLogFilter \S* (?P<ip>\S+) POST \S*/login took .* returned 401`},
	form{"ZoneMinder", `web_php\[\d+\]\.ERR \[(?P<ip>[^\]]+)\] \[Login denied for user "(?P<user>[^"]*)"`},
	form{"ZoneMinder", `web_php\[\d+\]\.ERR \[(?P<ip>[^\]]+)\] \[Could not retrieve user (?P<user>.*?) details`},
	// Shells, files, mail, databases, telephones.
	form{"OpenSSH", `sshd(?:-session)?\[\d+\]: Invalid user (?P<user>\S*) from (?P<ip>\S+)`},
	form{"OpenSSH, MeshCentral", `\[\d+\]: Failed (?:password|publickey) for (?:invalid user )?(?P<user>\S+) from (?P<ip>\S+)`},
	form{"OpenSSH", `sshd(?:-session)?\[\d+\]: (?:Disconnected from|Connection closed by) (?:authenticating|invalid) user (?P<user>\S+) (?P<ip>\S+) port`},
	form{"SFTPGo", `"sender":"connection_failed","client_ip":"(?P<ip>[^"]+)","username":"(?P<user>[^"]*)"`},
	form{"ProFTPD", `proftpd\[\d+\] \S+ \(\S*\[(?P<ip>[^\]]+)\]\).*USER (?P<user>\S+?):? \(?(?:Login failed|no such user)`},
	form{"Pure-FTPd", `pure-ftpd: \(\S*@(?P<ip>[^)]+)\) \[WARNING\] Authentication failed for user \[(?P<user>[^\]]*)\]`},
	form{"vsftpd", `\[pid \d+\] \[(?P<user>[^\]]*)\] FAIL LOGIN: Client "(?P<ip>[^"]+)"`},
	form{"Dovecot", `-login: .*\(auth failed, .*user=<(?P<user>[^>]*)>,.*rip=(?P<ip>[^,]+),`},
	form{"Dovecot", `(?:pam|passwd-file|sql|ldap)\((?P<user>[^,)]*),(?P<ip>[0-9A-Fa-f.:]+)[,)].*(?:unknown user|failed|mismatch)`},
	form{"Postfix", `postfix/\S+\[\d+\]: warning: \S*\[(?P<ip>[^\]]+)\]: SASL \S+ authentication failed`},
	form{"Exchange POP3", `,\S+:\d+,(?P<ip>[0-9A-Fa-f.:]+?):\d+,(?P<user>[^,]*),.*AuthFailed:LogonDenied`},
	form{"Exchange SMTP", `,\S+:\d+,(?P<ip>[0-9A-Fa-f.:]+?):\d+,>,535 5\.7\.3 Authentication unsuccessful`},
	form{"MariaDB", `Access denied for user '(?P<user>[^']*)'@'(?P<ip>[^']+)' \(using password`},
	// A user belongs to a database: root of one is not root of another.
	form{"MongoDB", `"msg":"Authentication failed".*(?P<user>"principalName":"[^"]*",(?:"authenticationDatabase":"[^"]*",)?).*"remote":"(?P<ip>[^"]+)"`},
	form{"PostgreSQL", `(?P<ip>\d+\.\d+\.\d+\.\d+)(?:\(\d+\))?[ :]\S*FATAL: +password authentication failed for user "(?P<user>[^"]*)"`},
	form{"PostgreSQL", `(?P<ip>\d+\.\d+\.\d+\.\d+) \S+ FATAL: +password authentication failed for user "(?P<user>[^"]*)"`},
	form{"Asterisk", `SecurityEvent="(?:ChallengeResponseFailed|InvalidAccountID|InvalidPassword)".*AccountID="(?P<user>[^"]*)".*RemoteAddress="IPV[46]/\w+/(?P<ip>[^/"]+)/`},
	form{"FreeSWITCH", `Can't find user \[(?P<user>[^@\]]*)@[^\]]*\] from (?P<ip>\S+)`},
	form{"Windows", `<EventID>4625</EventID>.*"TargetUserName">(?P<user>[^<]*)<.*"IpAddress">(?P<ip>[^<]+)<`},
	form{"OpenVPN", `TLS Error: incoming packet authentication failed from \[AF_INET6?\](?P<ip>\S+):\d+`},
	form{"WireGuard", `wireguard: \w+: (?:Invalid handshake initiation|Invalid MAC of handshake.*) from (?P<ip>\S+):\d+`},
)

// Second factors and successes, in the same way.
//
//nolint:gochecknoglobals // Constants: Go has no constant tables.
var (
	factorForms = compile(event.AuthMFAFailure,
		form{"Authelia", `Unsuccessful \w+ authentication attempt by user '(?P<user>[^']*)'.*remote_ip"?[=:] ?"?(?P<ip>[^" ]+)`},
		form{"GitLab", `"method":"POST","path":"/users/sign_in".*"otp_attempt":.*"remote_ip":"(?P<ip>[^"]+)"`},
		form{"Bitwarden", `Failed login attempt, 2FA invalid\. (?P<ip>\S+)`},
	)
	successForms = compile(event.AuthSuccess,
		form{"qBittorrent", `WebAPI login success\. IP: (?P<ip>\S+)`},
		form{"Pure-FTPd", `pure-ftpd: \(\S*@(?P<ip>[^)]+)\) \[INFO\] (?P<user>\S+) is now logged in`},
		form{"Sonarr", `Auth-Success ip (?P<ip>\S+) username '(?P<user>[^']*)'`},
		form{"ZoneMinder", `\[(?P<ip>[^\]]+)\] \[Login successful for user "(?P<user>[^"]*)"`},
		form{"OpenSSH", `sshd(?:-session)?\[\d+\]: Accepted \S+ for (?P<user>\S+) from (?P<ip>\S+)`},
		form{"Teleport", `"event":"user\.login".*"user":"(?P<user>[^"]*)","success":true.*"addr\.remote":"(?P<ip>[^"]+)"`},
	)
)

func compile(outcome string, forms ...form) []signInForm {
	compiled := make([]signInForm, len(forms))
	for i, f := range forms {
		compiled[i] = signInForm{pattern: regexp.MustCompile(f.pattern), outcome: outcome}
	}
	return compiled
}

// readSignIn reads a line of an authentication log into e: who tried to be
// whom, and whether he was let in. It reports whether the line is one.
func readSignIn(line string, e *event.RequestEvent) bool {
	for _, forms := range [][]signInForm{signInForms, factorForms, successForms} {
		for i := range forms {
			f := &forms[i]
			m := f.pattern.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			address, ok := addressOf(m[f.pattern.SubexpIndex("ip")])
			if !ok {
				continue
			}
			e.Kind, e.Phase = event.KindRequest, event.PhaseComplete
			e.Address, e.AuthOutcome = address, f.outcome
			e.Method, e.Status = "POST", 401
			if f.outcome == event.AuthSuccess {
				e.Status = 200
			}
			if at := f.pattern.SubexpIndex("user"); at > 0 {
				e.Account = m[at]
			}
			return true
		}
	}
	return false
}

// addressOf is an address in its canonical form, also with a port or as one of
// IPv4 within IPv6.
func addressOf(s string) (string, bool) {
	s = strings.TrimSpace(s)
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err == nil {
		return a.Unmap().WithZone("").String(), true
	}
	p, err := netip.ParseAddrPort(s)
	if err == nil {
		return p.Addr().Unmap().WithZone("").String(), true
	}
	return "", false
}
