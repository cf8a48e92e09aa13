package attacklog

import (
	"net/netip"
	"regexp"
	"strings"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// signInForm is how one product writes a sign-in. The groups ip and user name
// the address and the account; a form without user does not know the account.
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
	`/control/login: from ip (?P<ip>\S+): invalid username or password`,                                                              // AdGuard Home
	`\[error\] POST (?P<ip>\S+) /control/login: invalid username or password`,                                                        // AdGuard Home
	`Authentication attempt from \[?(?P<ip>[0-9A-Fa-f.:]+)[^"]*for user "(?P<user>[^"]*)" failed`,                                    // Guacamole
	`\(username=(?P<user>[^,)]*).*\|AUTHENTICATION_FAILED\|[^|]*\|(?P<ip>[^|]+)\|`,                                                   // Apereo CAS
	`Unsuccessful 1FA authentication attempt by user '(?P<user>[^']*)'.*remote_ip"?[=:] ?"?(?P<ip>[^" ]+)`,                           // Authelia
	`username input '(?P<user>[^']*)' which usually indicates.*remote_ip"?[=:] ?"?(?P<ip>[^" ]+)`,                                    // Authelia
	`"action": ?"(?:invalid_identifier|login_failed)".*"client_ip": ?"(?P<ip>[^"]+)".*"(?:identifier|username)": ?"(?P<user>[^"]*)"`, // authentik
	`\[client (?P<ip>[^\]]+?)(?::\d+)?\].*user (?P<user>.+) authentication failure for Baikal`,                                       // Baïkal
	`Failed login attempt\. (?P<ip>\S+)`,                                                                                             // Bitwarden
	`Login failed for user "(?P<user>[^"]*)" IP-address: (?P<ip>\S+)`,                                                                // Calibre-Web
	`\[cpaneld\] (?P<ip>\S+) - (?P<user>\S+) "POST /login/.*FAILED LOGIN`,                                                            // cPanel
	`Incorrect username or password for user (?P<user>.+)\. IP=(?P<ip>\S+)`,                                                          // Dockge
	`"method":"POST","path":"/users/sign_in".*"login":"(?P<user>[^"]*)".*"remote_ip":"(?P<ip>[^"]+)"`,                                // GitLab
	`"action":"failure".*"key":"username","value":"(?P<user>[^"]*)".*"remote_ip":"(?P<ip>[^"]+)"`,                                    // GitLab
	`\[GIN\].*\| 401 \|[^|]*\|\s*(?P<ip>\S+) \| POST`,                                                                                // Gotify
	`(?:Invalid username or password|password-auth\.failed).*remote_addr"?[=:]"?(?P<ip>[^" ]+)`,                                      // Grafana
	`client IP="(?P<ip>[^",]+).*failed to authenticate user:(?P<user>[^,]+),`,                                                        // Harbor
	`invalid authentication from \S+ \((?P<ip>[^)]+)\)`,                                                                              // Home Assistant
	`Failed login attempt for user (?P<user>\S+) from ip address (?P<ip>\S+)`,                                                        // Immich
	`Authentication request for "?(?P<user>[^" ]+)"? has been denied \(IP: "?(?P<ip>[^")]+)"?\)`,                                     // Jellyfin
	`Failed (?:sign-in|login) attempt.*"ip":"(?P<ip>[^"]+)","email":"(?P<user>[^"]*)"`,                                               // Jellyseerr
	`POST /api/sessions: (?P<ip>\S+): Invalid username or password: \{"email":"(?P<user>[^"]*)"`,                                     // Joplin
	`type="?LOGIN_ERROR"?,.*ipAddress="?(?P<ip>[^",]+)"?,.*username="?(?P<user>[^",]+)`,                                              // Keycloak
	`(?:LLNG|lemonldap-ng)\[\d+\]: .*Bad password for (?P<user>\S+) \((?P<ip>[^)]+)\)`,                                               // LemonLDAP
	`(?:LLNG|lemonldap-ng)\[\d+\]: .* (?P<user>\S+) was not found in LDAP directory \((?P<ip>[^)]+)\)`,                               // LemonLDAP
	`in limiter: Authentication attempt from (?P<ip>\S+) has been rate-limited`,                                                      // Mailu
	`authentication_failed=true client_ip=(?P<ip>\S+).*username=(?P<user>\S+)`,                                                       // Miniflux
	`user "(?P<user>[^"]*)"(?: was not found in "[^"]*"|: password mismatch), client: (?P<ip>[^,]+),`,                                // nginx, Basic
	`client login failed: .*client: (?P<ip>[^,]+), .*login: "(?P<user>[^"]*)"`,                                                       // nginx, mail
	`Failed login attempt (?:by|from) IP: \[?(?P<ip>[^\]\s]+)`,                                                                       // Ombi, Stirling
	`"statusCode":401,.*"url":"/auth/login.*"remoteAddress":"(?P<ip>[^"]+)"`,                                                         // OpenSearch
	`authentication error for (?:user )?'(?P<user>[^']*)' from:? (?P<ip>\S+)`,                                                        // OPNsense, pfSense
	`authentication failure; rhost=(?P<ip>\S+) user=(?P<user>\S+)`,                                                                   // Proxmox
	`WebAPI login failure\..* IP: (?P<ip>[^,]+), username: (?P<user>\S+)`,                                                            // qBittorrent
	`Auth-Failure ip (?P<ip>\S+) username '(?P<user>[^']*)'`,                                                                         // Sonarr
	`"event":"user\.login".*"user":"(?P<user>[^"]*)","success":false.*"addr\.remote":"(?P<ip>[^"]+)"`,                                // Teleport
	`AccessLogFilter \S* (?P<ip>\S+) POST \S*/login took .* returned 401`,                                                            // TheHive
	`web_php\[\d+\]\.ERR \[(?P<ip>[^\]]+)\] \[Login denied for user "(?P<user>[^"]*)"`,                                               // ZoneMinder
	`web_php\[\d+\]\.ERR \[(?P<ip>[^\]]+)\] \[Could not retrieve user (?P<user>.*?) details`,                                         // ZoneMinder
	// Shells, files, mail, databases, telephones.
	`sshd(?:-session)?\[\d+\]: Invalid user (?P<user>\S*) from (?P<ip>\S+)`,
	`\[\d+\]: Failed (?:password|publickey) for (?:invalid user )?(?P<user>\S+) from (?P<ip>\S+)`,
	`sshd(?:-session)?\[\d+\]: (?:Disconnected from|Connection closed by) (?:authenticating|invalid) user (?P<user>\S+) (?P<ip>\S+) port`,
	`"sender":"connection_failed","client_ip":"(?P<ip>[^"]+)","username":"(?P<user>[^"]*)"`,           // SFTPGo
	`\[(?P<ip>[^\]]+?)(?::\d+)?\] authentication for user "(?P<user>[^"]*)" with(?:out)? .* rejected`, // sshesame
	`proftpd\[\d+\] \S+ \(\S*\[(?P<ip>[^\]]+)\]\).*USER (?P<user>\S+?):? \(?(?:Login failed|no such user)`,
	`pure-ftpd: \(\S*@(?P<ip>[^)]+)\) \[WARNING\] Authentication failed for user \[(?P<user>[^\]]*)\]`,
	`\[pid \d+\] \[(?P<user>[^\]]*)\] FAIL LOGIN: Client "(?P<ip>[^"]+)"`,                                         // vsftpd
	`-login: .*\(auth failed, .*user=<(?P<user>[^>]*)>,.*rip=(?P<ip>[^,]+),`,                                      // Dovecot
	`(?:pam|passwd-file|sql|ldap)\((?P<user>[^,)]*),(?P<ip>[0-9A-Fa-f.:]+)[,)].*(?:unknown user|failed|mismatch)`, // Dovecot
	`postfix/\S+\[\d+\]: warning: \S*\[(?P<ip>[^\]]+)\]: SASL \S+ authentication failed`,
	`,\S+:\d+,(?P<ip>[0-9A-Fa-f.:]+?):\d+,(?P<user>[^,]*),.*AuthFailed:LogonDenied`,              // Exchange POP3
	`,\S+:\d+,(?P<ip>[0-9A-Fa-f.:]+?):\d+,>,535 5\.7\.3 Authentication unsuccessful`,             // Exchange SMTP
	`Access denied for user '(?P<user>[^']*)'@'(?P<ip>[^']+)' \(using password`,                  // MariaDB
	`"msg":"Authentication failed".*"principalName":"(?P<user>[^"]*)".*"remote":"(?P<ip>[^"]+)"`, // MongoDB
	`(?P<ip>\d+\.\d+\.\d+\.\d+)(?:\(\d+\))?[ :]\S*FATAL: +password authentication failed for user "(?P<user>[^"]*)"`,
	`(?P<ip>\d+\.\d+\.\d+\.\d+) \S+ FATAL: +password authentication failed for user "(?P<user>[^"]*)"`,
	`SecurityEvent="(?:ChallengeResponseFailed|InvalidAccountID|InvalidPassword)".*AccountID="(?P<user>[^"]*)".*RemoteAddress="IPV[46]/\w+/(?P<ip>[^/"]+)/`, // Asterisk
	`Can't find user \[(?P<user>[^@\]]*)@[^\]]*\] from (?P<ip>\S+)`,                                                                                         // FreeSWITCH
	`<EventID>4625</EventID>.*"TargetUserName">(?P<user>[^<]*)<.*"IpAddress">(?P<ip>[^<]+)<`,                                                                // Windows
	`TLS Error: incoming packet authentication failed from \[AF_INET6?\](?P<ip>\S+):\d+`,                                                                    // OpenVPN
	`wireguard: \w+: (?:Invalid handshake initiation|Invalid MAC of handshake.*) from (?P<ip>\S+):\d+`,                                                      // WireGuard
)

// Second factors and successes, in the same way.
//
//nolint:gochecknoglobals // Constants: Go has no constant tables.
var (
	factorForms = compile(event.AuthMFAFailure,
		`Unsuccessful \w+ authentication attempt by user '(?P<user>[^']*)'.*remote_ip"?[=:] ?"?(?P<ip>[^" ]+)`, // Authelia
		`Failed login attempt, 2FA invalid\. (?P<ip>\S+)`,                                                      // Bitwarden
	)
	successForms = compile(event.AuthSuccess,
		`WebAPI login success\. IP: (?P<ip>\S+)`, // qBittorrent
		`pure-ftpd: \(\S*@(?P<ip>[^)]+)\) \[INFO\] (?P<user>\S+) is now logged in`,
		`Auth-Success ip (?P<ip>\S+) username '(?P<user>[^']*)'`,           // Sonarr
		`\[(?P<ip>[^\]]+)\] \[Login successful for user "(?P<user>[^"]*)"`, // ZoneMinder
		`sshd(?:-session)?\[\d+\]: Accepted \S+ for (?P<user>\S+) from (?P<ip>\S+)`,
		`"event":"user\.login".*"user":"(?P<user>[^"]*)","success":true.*"addr\.remote":"(?P<ip>[^"]+)"`, // Teleport
	)
)

func compile(outcome string, patterns ...string) []signInForm {
	forms := make([]signInForm, len(patterns))
	for i, p := range patterns {
		forms[i] = signInForm{pattern: regexp.MustCompile(p), outcome: outcome}
	}
	return forms
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
