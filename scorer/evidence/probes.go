package evidence

import "strings"

// probe is a piece of a path that tells what is looked for.
type probe struct {
	piece, what string
	// exploit says that nobody but an attacker or a tester sends it.
	exploit bool
}

// probes lists what scanners ask for, lower case. A piece that begins with a
// slash matches at the start of a path segment, others anywhere.
var probes = []probe{ //nolint:gochecknoglobals // A constant: Go has no constant lists.
	{"/sap/bc/", "SAP", false},
	{"/irj/portal", "SAP", false},
	{"/nwa", "SAP", false},
	{"/mysqladmin", "a database console", false},
	{"/sqladmin", "a database console", false},
	{"/dbadmin", "a database console", false},
	{"/administrator/", "an administration console", false},
	{"/webadmin", "an administration console", false},
	{"/geoserver/", "GeoServer", false},
	{"/crx/", "Adobe Experience Manager", false},
	{"/zabbix", "Zabbix", false},
	{"/druid/", "Druid", false},
	{"/nagios", "Nagios", false},
	{"w00tw00t", "a scanner's greeting", true},
	{"/.env", "an environment file", false},
	{"/.git/", "a source repository", false},
	{"/.svn/", "a source repository", false},
	{"/.hg/", "a source repository", false},
	{"/.aws/", "cloud credentials", false},
	{"/.ssh/", "ssh keys", false},
	{"/.docker/", "docker credentials", false},
	{"/.kube/", "cluster credentials", false},
	{"/.htpasswd", "a password file", false},
	{"/.htaccess", "a server configuration", false},
	{"/.ds_store", "a directory listing", false},
	{"/.vscode/", "an editor's settings", false},
	{"/id_rsa", "ssh keys", false},
	{"/wp-login.php", "the WordPress login", false},
	{"/wp-admin", "the WordPress administration", false},
	{"/wp-content/plugins/", "a WordPress plugin", false},
	{"/wp-includes/", "WordPress", false},
	{"/wp-config", "the WordPress configuration", false},
	{"/wp-json/wp/v2/users", "WordPress users", false},
	{"/xmlrpc.php", "the WordPress XML-RPC interface", false},
	{"/phpmyadmin", "phpMyAdmin", false},
	{"/pma/", "phpMyAdmin", false},
	{"/myadmin", "phpMyAdmin", false},
	{"/adminer", "Adminer", false},
	{"/phpinfo", "PHP settings", false},
	{"/info.php", "PHP settings", false},
	{"/test.php", "a test page", false},
	{"/shell.php", "a web shell", false},
	{"/c99.php", "a web shell", false},
	{"/r57.php", "a web shell", false},
	{"/administrator/index.php", "the Joomla administration", false},
	{"/sites/default/files", "Drupal", false},
	{"/user/register?element_parents", "a Drupal exploit", true},
	{"/manager/html", "the Tomcat manager", false},
	{"/actuator", "Spring management endpoints", false},
	{"/jolokia", "a JMX bridge", false},
	{"/solr/", "Solr", false},
	{"/jenkins", "Jenkins", false},
	{"/hudson", "Jenkins", false},
	{"/hnap1", "a router", false},
	{"/boaform", "a router", false},
	{"/goform/", "a router", false},
	{"/setup.cgi", "a router", false},
	{"/cgi-bin/", "a CGI program", false},
	{"/server-status", "the server's status", false},
	{"/owa/auth", "Outlook", false},
	{"/autodiscover/", "Exchange", false},
	{"/ecp/", "Exchange", false},
	{"/remote/login", "a VPN appliance", false},
	{"/remote/fgt_lang", "a FortiGate exploit", true},
	{"/dana-na/", "a VPN appliance", false},
	{"/vpn/../", "a Citrix exploit", true},
	{"/api/v2/cmdb/system/admin", "a FortiOS exploit", true},
	{"/telerik.web.ui.webresource.axd", "a Telerik exploit", true},
	{"/vendor/phpunit", "a PHPUnit exploit", true},
	{"/eval-stdin.php", "a PHPUnit exploit", true},
	{"/struts2", "Struts", false},
	{"/console/css/%252e", "a WebLogic exploit", true},
	{"/_ignition/execute-solution", "a Laravel exploit", true},
	{"/tmui/login.jsp/", "an F5 exploit", true},
	{"/mgmt/tm/util/bash", "an F5 exploit", true},
	{"/php/ztp_gate.php/", "a PAN-OS exploit", true},
	{"/unauth/%252e", "a PAN-OS exploit", true},
	{"/setup/setupadministrator.action", "a Confluence exploit", true},
	{"/json/setup-restore.action", "a Confluence exploit", true},
	{"/backup.sql", "a database dump", false},
	{"/dump.sql", "a database dump", false},
	{"/database.sql", "a database dump", false},
	{"/backup.zip", "a backup", false},
	{"/web.config", "a server configuration", false},
	{"/config.json", "a configuration", false},
	{"/docker-compose.yml", "a configuration", false},
	{"/login.action?redirect:", "a Struts exploit", true},
	{"../", "a path outside the root", true},
	{"..\\", "a path outside the root", true},
	{"..;/", "a path outside the root", true},
	{"%2e%2e", "a path outside the root", true},
	{"%252e%252e", "a path outside the root", true},
	{"%c0%ae", "a path outside the root", true},
	{"%2fetc%2fpasswd", "the password file", true},
	{"/etc/passwd", "the password file", true},
	{"/etc/shadow", "the password file", true},
	{"/proc/self/", "the process's memory", true},
	{"boot.ini", "a Windows file", true},
	{"win.ini", "a Windows file", true},
	{"${jndi:", "a Log4j lookup", true},
	{"%24%7bjndi", "a Log4j lookup", true},
	{"${script:", "a Text4Shell lookup", true},
	{"%24%7bscript", "a Text4Shell lookup", true},
	{"${(", "an expression", true},
	{"%24%7b%28", "an expression", true},
	{"%24%7b%40", "an expression", true},
	{"@java.lang", "an expression", true},
	{"%40java.lang", "an expression", true},
	{"<script", "a script", true},
	{"%3cscript", "a script", true},
	{"javascript:", "a script", true},
	{"union+select", "an SQL injection", true},
	{"union%20select", "an SQL injection", true},
	{"union select", "an SQL injection", true},
	{"information_schema", "an SQL injection", true},
	{"'+or+'1", "an SQL injection", true},
	{"%27%20or%20", "an SQL injection", true},
	{"sleep(", "an SQL injection", true},
	{"benchmark(", "an SQL injection", true},
	{"wget+http", "a shell command", true},
	{"wget%20http", "a shell command", true},
	{";wget", "a shell command", true},
	{"/bin/sh", "a shell command", true},
	{"/bin/bash", "a shell command", true},
	{"cmd.exe", "a shell command", true},
	{"php://input", "a PHP stream", true},
	{"php://filter", "a PHP stream", true},
	{"allow_url_include", "a PHP setting", true},
	{"base64_decode(", "PHP code", true},
	{"file:///", "a local file", true},
	{"169.254.169.254", "cloud metadata", true},
}

// prober finds probes in paths. It is immutable.
type prober struct {
	// starts maps the first two bytes of a piece to the probes that begin so,
	// and pairs says whether there is any, as a bitmap.
	starts map[uint16][]int
	pairs  [1 << 16 / 64]uint64
}

func newProber() *prober {
	p := &prober{starts: make(map[uint16][]int)}
	for i := range probes {
		pair := uint16(probes[i].piece[0])<<8 | uint16(probes[i].piece[1])
		p.starts[pair] = append(p.starts[pair], i)
		p.pairs[pair/64] |= 1 << (pair % 64)
	}
	return p
}

// find returns what a path probes for, "" for nothing. An exploit outweighs
// whatever else is in the path.
func (p *prober) find(path string) (what string, exploit bool) {
	lower := path
	if hasUpper(path) {
		lower = strings.ToLower(path)
	}
	for i := 0; i+1 < len(lower); i++ {
		pair := uint16(lower[i])<<8 | uint16(lower[i+1])
		if p.pairs[pair/64]&(1<<(pair%64)) == 0 {
			continue
		}
		for _, j := range p.starts[pair] {
			if !strings.HasPrefix(lower[i:], probes[j].piece) {
				continue
			}
			if probes[j].exploit {
				return probes[j].what, true
			}
			if what == "" {
				what = probes[j].what
			}
		}
	}
	if what == "" {
		what = hidden(lower)
	}
	return what, false
}

// hidden tells a path that asks for a file whose name begins with a dot; only
// .well-known is meant for visitors (RFC 8615).
func hidden(path string) string {
	at := strings.Index(path, "/.")
	if at < 0 || at+2 >= len(path) || strings.HasPrefix(path[at:], "/.well-known") {
		return ""
	}
	return "a hidden file"
}

func hasUpper(s string) bool {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return true
		}
	}
	return false
}
