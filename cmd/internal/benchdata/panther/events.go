package panther

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// toEvent is what a gateway before the product would have reported of a log
// event: nothing that is not in its request, its answer or its sign-in. It
// reports false for a log that tells of neither.
func toEvent(t *Test, e *event.RequestEvent) bool {
	e.Reset()
	e.Kind, e.Phase, e.Tenant, e.Status, e.Method = event.KindRequest, event.PhaseComplete, "default", 200, "POST"
	switch t.Family {
	case "aws_cloudtrail_rules":
		cloudTrail(t.Log, e)
	case "kubernetes_rules":
		kubernetes(t.Log, e)
	case "aws_waf_rules":
		firewall(t.Log, e)
	case "gcp_http_lb_rules":
		loadBalancer(t.Log, e)
	case "github_rules":
		e.Route, e.Subject, e.UserAgent = t.Log.text("action"), t.Log.text("actor"), t.Log.text("user_agent")
	default:
		return signIn(t, e)
	}
	return true
}

// setAddress takes only what is an address: a cloud names its own services
// there.
func setAddress(e *event.RequestEvent, s string) {
	a, err := netip.ParseAddr(s)
	if err == nil {
		e.Address = a.Unmap().String()
	}
}

var readOnly = regexp.MustCompile(`^(Get|List|Describe|Head|Lookup|BatchGet|Decrypt|Search|Query)`)

// cloudTrail reads a call of AWS's API. The operation is the route; a key that
// lasts is an API key; the kind of identity is the issuer's.
func cloudTrail(o object, e *event.RequestEvent) {
	service, _, _ := strings.Cut(o.text("eventSource"), ".")
	name := o.text("eventName")
	e.Route, e.Template = service+":"+name, "/"+service+"/"+name
	e.Region, e.UserAgent = o.text("awsRegion"), o.text("userAgent")
	setAddress(e, o.text("sourceIPAddress"))
	e.Subject = o.text("userIdentity.arn", "userIdentity.userName", "userIdentity.accountId", "userIdentity.principalId")
	e.Issuer, e.ClientId = o.text("userIdentity.type"), o.text("userIdentity.sessionContext.sessionIssuer.userName")
	e.Reason = o.text("errorCode")
	if e.Reason != "" {
		e.Status = 400
		if strings.Contains(e.Reason, "AccessDenied") || strings.Contains(e.Reason, "Unauthorized") {
			e.Status = 403
		}
	}
	if o.text("errorMessage") != "" && e.Reason == "" {
		e.Status = 400
	}
	if readOnly.MatchString(name) || o.text("readOnly") == "true" {
		e.Method = "GET"
	}
	if strings.HasPrefix(o.text("userIdentity.accessKeyId"), "AKIA") {
		e.AuthMethod = "api_key"
	}
	if key := o.text("requestParameters.key"); key != "" { // An object is named in the path.
		e.Path = "/" + o.text("requestParameters.bucketName") + "/" + key
	}
	if name != "ConsoleLogin" {
		return
	}
	signedIn(e, o.text("userIdentity.userName", "userIdentity.arn", "userIdentity.principalId"), o.text("responseElements.ConsoleLogin") == "Success")
	if o.text("additionalEventData.MFAUsed") == "Yes" {
		e.Amr = []string{"mfa"}
		if e.AuthOutcome == event.AuthFailure {
			e.AuthOutcome = event.AuthMFAFailure
		}
	}
}

// signedIn makes the event a sign-in. Who fails is nobody yet.
func signedIn(e *event.RequestEvent, account string, passed bool) {
	e.Account, e.AuthOutcome, e.Path = account, event.AuthSuccess, "/login"
	if passed {
		return
	}
	e.AuthOutcome, e.Subject, e.Status = event.AuthFailure, "", 401
}

// kubernetes reads a request to a cluster's API, in the three forms in which
// clouds write its audit log. The command of "exec" travels in the query.
func kubernetes(o object, e *event.RequestEvent) {
	if len(o.list("p_enrichment.tor_exit_nodes")) > 0 {
		e.NetworkTags = []string{"tor"}
	}
	if inner := o.within("properties.log"); inner != nil {
		o = inner
	}

	verb, kind, sub := o.text("verb"), o.text("objectRef.resource"), o.text("objectRef.subresource")
	space, name := o.text("objectRef.namespace"), o.text("objectRef.name")
	e.Subject = o.text("user.username", "protoPayload.authenticationInfo.principalEmail")
	e.UserAgent = o.text("userAgent", "protoPayload.requestMetadata.callerSuppliedUserAgent")
	setAddress(e, o.text("sourceIPs.0", "protoPayload.requestMetadata.callerIP"))
	code, err := strconv.ParseUint(o.text("responseStatus.code"), 10, 32)
	if err == nil {
		e.Status = uint32(code)
	}
	command := o.list("requestObject.command")
	if method := o.text("protoPayload.methodName"); strings.HasPrefix(method, "io.k8s.") {
		words := strings.Split(strings.TrimPrefix(method, "io.k8s."), ".")
		verb, kind, sub = words[len(words)-1], googleKind(words), ""
		if kind == "exec" {
			kind, sub = "pods", "exec"
		}
		space, name = googlePlace(o.text("protoPayload.resourceName"))
		command = o.list("protoPayload.request.command")
		if code := o.text("protoPayload.status.code"); code != "" && code != "0" {
			e.Status = 403
		}
	}
	if verb == "" {
		return // Of another API of the cloud.
	}
	e.Host = "cluster"
	e.Method = map[string]string{"get": "GET", "list": "GET", "watch": "GET", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}[verb]
	if e.Method == "" {
		e.Method = "POST"
	}
	if sub != "" {
		kind += "/" + sub
	}
	e.Route, e.Resource = verb+" "+kind, name
	e.Path = "/namespaces/" + space + "/" + kind + "/" + name
	e.Template = "/namespaces/{namespace}/" + kind + "/{name}"
	if len(command) > 0 && sub == "exec" {
		e.Attributes = map[string]string{event.AttributeQuery: "command=" + strings.Join(command, "&command=")}
	}
}

// googleKind is the resource of "core.v1.pods.exec.create".
func googleKind(words []string) string {
	if len(words) < 2 {
		return ""
	}
	return words[len(words)-2]
}

// googlePlace reads namespace and name of "core/v1/namespaces/a/pods/b/exec".
func googlePlace(resource string) (space, name string) {
	words := strings.Split(resource, "/")
	for i, w := range words {
		switch {
		case w == "namespaces" && i+1 < len(words):
			space = words[i+1]
		case i > 0 && strings.HasSuffix(words[i-1], "s") && words[i-1] != "namespaces":
			name = w
		}
	}
	return space, name
}

// firewall reads a request and which groups of AWS's firewall matched.
func firewall(o object, e *event.RequestEvent) {
	e.Method, e.Path, e.Country = o.text("httpRequest.httpMethod"), o.text("httpRequest.uri"), o.text("httpRequest.country")
	setAddress(e, o.text("httpRequest.clientIp"))
	if o.text("action") == "BLOCK" {
		e.Status = 403
	}
	e.WafRules = append(e.WafRules, o.text("terminatingRuleId"))
	groups, _ := o.at("ruleGroupList").([]any)
	for _, g := range groups {
		group, _ := g.(map[string]any)
		id := object(group).text("ruleGroupId")
		if object(group).at("terminatingRule") != nil || object(group).at("nonTerminatingMatchingRules.0") != nil {
			e.WafRules = append(e.WafRules, id)
		}
	}
}

// loadBalancer reads a request to Google's load balancer.
func loadBalancer(o object, e *event.RequestEvent) {
	e.Method, e.UserAgent = o.text("httpRequest.requestMethod", "httprequest.requestMethod"), o.text("httpRequest.userAgent", "httprequest.userAgent")
	setAddress(e, o.text("httpRequest.remoteIp", "httprequest.remoteIp"))
	code, err := strconv.ParseUint(o.text("httpRequest.status", "httprequest.status"), 10, 32)
	if err == nil {
		e.Status = uint32(code)
	}
	e.Reason = o.text("jsonPayload.statusDetails", "jsonpayload.statusDetails")
	e.WafRules = append(o.list("jsonPayload.enforcedSecurityPolicy.preconfiguredExprIds"), o.list("jsonPayload.previewSecurityPolicy.preconfiguredExprIds")...)
}
