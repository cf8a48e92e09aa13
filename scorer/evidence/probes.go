package evidence

import "strings"

// probe is a piece of a path that tells what is looked for.
type probe struct {
	piece, what string
	// exploit says that nobody but an attacker or a tester sends it.
	exploit bool
}

// probes lists what scanners ask for, lower case. A piece that begins with a
// slash matches at the start of a path segment, others anywhere. They are
// looked for in paths only: a query may name any of them.
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
	{"/info.php", "PHP settings", false},
	{"/test.php", "a test page", false},
	{"/shell.php", "a web shell", false},
	{"/c99.php", "a web shell", false},
	{"/r57.php", "a web shell", false},
	{"/administrator/index.php", "the Joomla administration", false},
	{"/sites/default/files", "Drupal", false},
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
	{"../", "a path outside the root", true},
	{"..\\", "a path outside the root", true},
	{"..;/", "a path outside the root", true},
	{"%2e%2e", "a path outside the root", true},
	{"%252e%252e", "a path outside the root", true},
	{"%c0%ae", "a path outside the root", true},
	{"phpinfo", "PHP settings", false},
	{"/admin.php", "an administration console", false},
	{"/+cscoe+/", "a VPN appliance", false},
	{"/global-protect/", "a VPN appliance", false},
	{"/vpns/", "a VPN appliance", false},
	{"/ghost/api/admin/", "the Ghost administration", false},
	{"/fckeditor/", "an editor's upload page", false},
	{"/elfinder/", "a file manager", false},
	{"/debug/pprof", "a debugger", false},
	{"/debug/default/view", "a debugger", false},
	{"/_profiler/", "a debugger", false},
	{"/telescope/requests", "a debugger", false},
	{"/v2/_catalog", "a container registry", false},
	{"/_cat/indices", "Elasticsearch", false},
	{"/trace.axd", "a server's traces", false},
	{"/elmah.axd", "a server's errors", false},
	{"/service/extension/backup/mboximport", "a Zimbra exploit", true},
	{"/mifs/.;/", "a MobileIron exploit", true},
	{"/invoker/jmxinvokerservlet", "a JBoss exploit", true},
	{"/invoker/readonly", "a JBoss exploit", true},
	{"/wls-wsat/", "a WebLogic exploit", true},
	{"/_async/asyncresponseservice", "a WebLogic exploit", true},
	{"/htmlawedtest.php", "a GLPI exploit", true},
	{"/catalog-portal/ui/oauth/verify", "a Workspace ONE exploit", true},
	{"/functionrouter", "a Spring exploit", true},
	{"/s/opensearch.xml", "a Jira exploit", false},
	{"/druid/indexer/v1/sampler", "a Druid exploit", true},
	{"/getphpinfo.php", "an ownCloud exploit", true},
	{"/.js.map", "a PAN-OS exploit", true},
	{"/+cscot+/", "a VPN appliance", false},
	{"/+cscou+/", "a VPN appliance", false},
	{"/dana/html5acc/guacamole/..", "a Pulse exploit", true},
	{"/api/v1/totp/user-backup-code/..", "an Ivanti exploit", true},
	{"/dana-ws/saml20.ws", "a VPN appliance", false},
	{"/pages/createpage-entervariables.action", "Confluence", false},
	{"/pages/doenterpagevariables.action", "Confluence", false},
	{"/rest/tinymce/1/macro/preview", "Confluence", false},
	{"/template/aui/text-inline.vm", "a Confluence exploit", true},
	{"/cf_scripts/scripts/ajax/ckeditor/", "ColdFusion", false},
	{"/cfide/adminapi/", "ColdFusion", false},
	{"/moveitisapi/moveitisapi.dll", "MOVEit", false},
	{"/setupwizard.aspx/", "a ScreenConnect exploit", true},
	{"/goanywhere/lic/accept", "GoAnywhere", false},
	{"/wizard/initialaccountsetup.xhtml", "GoAnywhere", false},
	{"/webtools/control/programexport", "OFBiz", false},
	{"/api/jsonws/invoke", "Liferay", false},
	{"/wp-file-manager/lib/php/connector.minimal.php", "a WordPress exploit", true},
	{"/gponform/diag_form", "a router exploit", true},
	{"/cgi-bin/luci/;stok", "a router", false},
	{"/picsdesc.xml", "a router exploit", true},
	{"/ui/vropspluginui/rest/services/uploadova", "a vCenter exploit", true},
	{"/ws_utc/resources/setting/", "a WebLogic exploit", true},
	{"/console/images/%252e", "a WebLogic exploit", true},
	{"/cacti/remote_agent.php", "Cacti", false},
	{"/citrix/xenapp/", "a Citrix appliance", false},
	{"/oauth/idp/.well-known/openid-configuration", "a Citrix appliance", false},
	{"/nacos/v1/auth/", "Nacos", false},
	{"/cfide/administrator", "ColdFusion", false},
	{"/aspnet_client/", "a web shell's place", false},
	{"/web-inf/", "a server's inside", true},
	{"/meta-inf/", "a server's inside", true},
	{"/nmaplowercheck", "a scanner's greeting", true},
	{"/nice%20ports", "a scanner's greeting", true},
	{"/evox/about", "a scanner's greeting", true},
	{"/ui/vcav-bootstrap/rest/vcav-providers/", "a vCenter exploit", true},
	{"/analytics/telemetry/ph/api/", "a vCenter exploit", true},
	{"/webui/logoutconfirm.html", "a Cisco exploit", true},
	{"/%2577ebui_wsma", "a Cisco exploit", true},
	{"/app/rest/users/id:1/tokens/rpc2", "a TeamCity exploit", true},
	{"/securityrealm/user/admin", "a Jenkins exploit", true},
	{"/descriptorbyname/", "Jenkins", false},
	{"/jsp/help-sb-download.jsp", "a Citrix exploit", true},
	{"/pcidss/report", "a Citrix exploit", true},
	{"/menu/guiw", "a Citrix exploit", true},
	{"/ssl-vpn/hipreport.esp", "a VPN appliance", false},
	{"/sslvpn_websession", "a FortiGate exploit", true},
	{"/sdk/weblanguage", "a camera exploit", true},
	{"/isapi/security", "a camera", false},
	{"/onvif/", "a camera", false},
	{"/currentsetting.htm", "a router", false},
	{"/rom-0", "a router", false},
	{"/redfish/v1", "a server's management", false},
	{"/containers/json", "a container engine", false},
	{"/ajax-api/2.0/mlflow/", "MLflow", false},
	{"/jmx-console", "a JBoss console", false},
	{"/web-console/", "a JBoss console", false},
	{"/axis2/", "Axis2", false},
	{"/railo-context/", "a CFML server", false},
	{"/pgadmin", "a database console", false},
	{"/phppgadmin", "a database console", false},
	{"/sqlitemanager", "a database console", false},
	{"/cpanel", "a hosting console", false},
	{"/bitrix/admin", "an administration console", false},
	{"/magento_version", "Magento", false},
	{"/phpunit/", "PHPUnit", false},
	{"/laravel-filemanager", "a file manager", false},
	{"/storage/logs/laravel.log", "an application's log", false},
	{"/credentials.json", "credentials", false},
	{"/mapi/nspi", "Exchange", false},
}

// payloads lists what does harm wherever it ends up, lower case and decoded.
// They are looked for in paths and in queries.
var payloads = []probe{ //nolint:gochecknoglobals // A constant: Go has no constant lists.
	{"/etc/passwd", "the password file", true},
	{"/etc/shadow", "the password file", true},
	{"/proc/self/", "the process's memory", true},
	{"boot.ini", "a Windows file", true},
	{"win.ini", "a Windows file", true},
	{"../../", "a path outside the root", true},
	{"..\\..\\", "a path outside the root", true},
	{"${jndi:", "a Log4j lookup", true},
	{"${${", "a nested lookup", true},
	{"${::", "a nested lookup", true},
	{"${lower:", "a nested lookup", true},
	{"${upper:", "a nested lookup", true},
	{"${env:", "a lookup of the environment", true},
	{"${sys:", "a lookup of the environment", true},
	{"${script:", "a Text4Shell lookup", true},
	{"${url:", "a Text4Shell lookup", true},
	{"${dns:", "a Text4Shell lookup", true},
	{"${(", "an expression", true},
	{"${@", "an expression", true},
	{"%{(", "an expression", true},
	{"${t(", "an expression", true},
	{"@java.lang", "an expression", true},
	{"java.lang.runtime", "Java code", true},
	{"class.module.classloader", "a Spring exploit", true},
	{"<script", "a script", true},
	{"&lt;script", "a script", true},
	{"<svg/onload", "a script", true},
	{"<svg onload", "a script", true},
	{"onerror=", "a script", true},
	{"union select", "an SQL injection", true},
	{"union all select", "an SQL injection", true},
	{"union/**/", "an SQL injection", true},
	{"information_schema", "an SQL injection", true},
	{"' or '1", "an SQL injection", true},
	{"' or 1=1", "an SQL injection", true},
	{"' and '1", "an SQL injection", true},
	{" and 1=1", "an SQL injection", true},
	{"'; drop table", "an SQL injection", true},
	{"extractvalue(", "an SQL injection", true},
	{"updatexml(", "an SQL injection", true},
	{"waitfor delay", "an SQL injection", true},
	{"pg_sleep(", "an SQL injection", true},
	{"sleep(", "an SQL injection", true},
	{"benchmark(", "an SQL injection", true},
	{"xp_cmdshell", "an SQL injection", true},
	{"wget http", "a shell command", true},
	{"curl http", "a shell command", true},
	{";wget", "a shell command", true},
	{"${ifs}", "a shell command", true},
	{"$(echo", "a shell command", true},
	{"|bash", "a shell command", true},
	{"/bin/sh", "a shell command", true},
	{"/bin/bash", "a shell command", true},
	{"cmd.exe", "a shell command", true},
	{"() {", "a Shellshock command", true},
	{"php://input", "a PHP stream", true},
	{"php://filter", "a PHP stream", true},
	{"expect://", "a PHP stream", true},
	{"phar://", "a PHP stream", true},
	{"allow_url_include", "a PHP setting", true},
	{"auto_prepend_file", "a PHP setting", true},
	{"base64_decode(", "PHP code", true},
	{"invokefunction&function", "a ThinkPHP exploit", true},
	{"cd /tmp", "a shell command", true},
	{"rm -rf", "a shell command", true},
	{"concat(0x", "an SQL injection", true},
	{" or 1=1", "an SQL injection", true},
	{"<iframe", "a script", true},
	{"onmouseover=", "a script", true},
	{"document.cookie", "a script", true},
	{"javascript:alert", "a script", true},
	{";.jsp", "a request past its guard", true},
	{"service=page/setupcompleted", "a PaperCut exploit", true},
	{"element_parents=", "a Drupal exploit", true},
	{"file:///", "a local file", true},
	{"gopher://", "a request to an inside address", true},
	{"169.254.169.254", "cloud metadata", true},
	{"metadata.google.internal", "cloud metadata", true},
	{"=http://127.", "a request to an inside address", false},
	{"=http://10.", "a request to an inside address", false},
	{"=http://192.168.", "a request to an inside address", false},
	{"=https://127.", "a request to an inside address", false},
	{"=https://10.", "a request to an inside address", false},
	{"=https://192.168.", "a request to an inside address", false},
}

// prober finds probes in a text. It is immutable.
type prober struct {
	list []probe
	// starts maps the first two bytes of a piece to the probes that begin so,
	// and pairs says whether there is any, as a bitmap.
	starts map[uint16][]int
	pairs  [1 << 16 / 64]uint64
}

func newProber(list []probe) *prober {
	p := &prober{list: list, starts: make(map[uint16][]int)}
	for i := range list {
		pair := uint16(list[i].piece[0])<<8 | uint16(list[i].piece[1])
		p.starts[pair] = append(p.starts[pair], i)
		p.pairs[pair/64] |= 1 << (pair % 64)
	}
	return p
}

// find returns what a lower-case text probes for, "" for nothing. An exploit
// outweighs whatever else is in it.
func (p *prober) find(lower string) (what string, exploit bool) {
	for i := 0; i+1 < len(lower); i++ {
		pair := uint16(lower[i])<<8 | uint16(lower[i+1])
		if p.pairs[pair/64]&(1<<(pair%64)) == 0 {
			continue
		}
		for _, j := range p.starts[pair] {
			if !strings.HasPrefix(lower[i:], p.list[j].piece) {
				continue
			}
			if p.list[j].exploit {
				return p.list[j].what, true
			}
			if what == "" {
				what = p.list[j].what
			}
		}
	}
	return what, false
}

// farFile tells a parameter that is the address of a file elsewhere, ending in a
// question mark: an application that puts something behind what it includes
// puts it into the query of that file (rule 931120 of the OWASP core rule set).
func farFile(query string) bool {
	for pair := range strings.SplitSeq(query, "&") {
		_, value, _ := strings.Cut(pair, "=")
		if !strings.HasSuffix(value, "?") {
			continue
		}
		for _, scheme := range []string{"http://", "https://", "ftp://"} {
			if strings.HasPrefix(value, scheme) {
				return true
			}
		}
	}
	return false
}

// wanted tells what a request probes for, by its path and its query.
func (k *Collector) wanted(path, query string) (what string, exploit bool) {
	path = k.lowered(path)
	what, exploit = k.paths.find(path)
	texts := [...]string{path, k.decoded(path), k.decoded(k.spaced(k.lowered(query)))}
	for i, text := range texts {
		if exploit || text == "" || i == 1 && text == path {
			continue
		}
		found, grave := k.payloads.find(text)
		if grave || what == "" {
			what, exploit = found, grave
		}
	}
	if what == "" && strings.IndexByte(texts[2], '?') >= 0 && farFile(texts[2]) {
		what = "the inclusion of a file elsewhere"
	}
	if what == "" {
		what = hidden(path)
	}
	if what == "" && leftBehind(path) {
		what = "a file that was left behind"
	}
	return what, exploit
}

// leftBehind tells a path that ends as editors and people name their copies: no
// page links to one.
func leftBehind(path string) bool {
	dot := strings.LastIndexByte(path, '.')
	if dot < 0 {
		return false
	}
	switch path[dot:] {
	case ".bak", ".old", ".orig", ".save", ".swp", ".sql":
		return true
	}
	return false
}

// decoded undoes percent encoding, twice at most: some servers decode twice,
// and that is what a payload that is encoded twice hopes for.
func (k *Collector) decoded(s string) string {
	for range 2 {
		if strings.IndexByte(s, '%') < 0 {
			return s
		}
		s = k.lowered(k.decodedOnce(s))
	}
	return s
}

// decodedOnce leaves what is not an escape as it is.
func (k *Collector) decodedOnce(s string) string {
	start := len(k.plain)
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			high, low := digit(s[i+1]), digit(s[i+2])
			if high >= 0 && low >= 0 {
				k.plain = append(k.plain, byte(high<<4|low))
				i += 2
				continue
			}
		}
		k.plain = append(k.plain, s[i])
	}
	return view(k.plain[start:])
}

// digit is the value of a hexadecimal digit, -1 for what is none.
func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// spaced is a query with the spaces that a form writes as a plus sign.
func (k *Collector) spaced(query string) string {
	if strings.IndexByte(query, '+') < 0 {
		return query
	}
	start := len(k.plain)
	k.plain = append(k.plain, query...)
	for i, c := range k.plain[start:] {
		if c == '+' {
			k.plain[start+i] = ' '
		}
	}
	return view(k.plain[start:])
}

// lowered is a text with its ASCII letters in lower case, valid until the next
// event.
func (k *Collector) lowered(s string) string {
	if !hasCapital(s) {
		return s
	}
	start := len(k.plain)
	k.plain = append(k.plain, s...)
	for i, c := range k.plain[start:] {
		if c >= 'A' && c <= 'Z' {
			k.plain[start+i] = c + 'a' - 'A'
		}
	}
	return view(k.plain[start:])
}

func hasCapital(s string) bool {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return true
		}
	}
	return false
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
