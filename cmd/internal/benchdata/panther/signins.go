package panther

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// signIn reads the sign-ins, factors and sessions of identity providers and
// services.
func signIn(t *Test, e *event.RequestEvent) bool {
	o := t.Log
	is := func(prefix string) bool {
		return slices.ContainsFunc(t.Types, func(s string) bool { return strings.HasPrefix(s, prefix) })
	}
	if t.Family == "standard_rules" {
		return anySignIn(o, e)
	}
	switch {
	case is("Okta"):
		okta(o, e)
	case is("Azure"):
		azure(o, e)
	case is("Duo"):
		duo(o, e)
	case is("Snowflake"):
		snowflake(o, e)
	case is("OpenAI"):
		setAddress(e, o.text("actor.session.ip_address"))
		e.UserAgent, e.Subject = o.text("actor.session.user_agent"), o.text("actor.session.user.id")
		if kind := o.text("type"); kind == "login.failed" || kind == "login.succeeded" {
			signedIn(e, o.text("actor.session.user.email"), kind == "login.succeeded")
		}
	case is("Anthropic"):
		setAddress(e, o.text("actor.ip_address"))
		e.UserAgent = o.text("actor.user_agent")
		signedIn(e, o.text("actor.email_address"), o.text("type") == "sso_login_succeeded")
	case is("Databricks"):
		e.Route, e.Subject, e.Issuer = o.text("actionName"), o.text("userIdentity.email"), "local"
		method := o.text("requestParams.authentication_method", "actionName")
		if strings.Contains(strings.ToLower(method), "saml") {
			e.Issuer = "saml"
		}
		if strings.HasSuffix(strings.ToLower(e.Route), "login") {
			signedIn(e, e.Subject, o.text("response.statusCode") == "200")
		}
	case is("Salesforce"):
		e.Route, e.Subject = o.text("EVENT_TYPE"), o.text("USER_ID")
		setAddress(e, o.text("CLIENT_IP"))
	case is("GSuite"):
		e.Route, e.Subject = o.text("name"), o.text("actor.email")
	case is("OneLogin"):
		e.Subject = o.text("actor_user_name")
		if id := o.text("event_type_id"); id == "24" || id == "172" {
			e.Route = "factor.remove"
		}
	default:
		return false
	}
	return true
}

func okta(o object, e *event.RequestEvent) {
	setAddress(e, o.text("client.ipAddress"))
	e.UserAgent = o.text("client.userAgent.rawUserAgent")
	e.Route, e.Subject = o.text("eventType"), o.text("actor.alternateId")
	e.Session = o.text("authenticationContext.externalSessionId", "authenticationcontext.externalSessionId")
	e.Country = map[string]string{"Brazil": "BR", "United States": "US"}[o.text("client.geographicalContext.country")]
	asn, err := strconv.ParseUint(o.text("securityContext.asNumber", "securitycontext.asNumber"), 10, 32)
	if err == nil {
		e.Asn = uint32(asn)
	}
	switch e.GetRoute() {
	case "user.account.lock":
		e.Reason = "account_locked"
		signedIn(e, e.GetSubject(), false)
	case "system.operation.rate_limit.violation":
		e.Status = 429
	}
	if strings.EqualFold(o.text("outcome.result"), "FAILURE") && e.GetRoute() != "user.session.start" {
		e.Status = 403
	}
}

// lockedOut is Azure's code for an account that is locked.
const lockedOut = "50053"

func azure(o object, e *event.RequestEvent) {
	p := o.within("properties")
	setAddress(e, o.text("callerIpAddress", "calleripaddress"))
	e.UserAgent, e.Subject = p.text("userAgent"), p.text("userPrincipalName", "initiatedBy.user.userPrincipalName")
	e.Issuer, e.ClientId = p.text("authenticationProtocol"), p.text("clientAppUsed")
	asn, err := strconv.ParseUint(p.text("autonomousSystemNumber"), 10, 32)
	if err == nil {
		e.Asn = uint32(asn)
	}
	e.Route = o.text("operationName", "operationname")
	if e.GetRoute() != "Sign-in activity" {
		if o.text("properties.result", "resultType", "result") == "failure" {
			e.Status = 403
		}
		return
	}
	subject, code := e.GetSubject(), p.text("status.errorCode")
	signedIn(e, subject, code == "0" || code == "")
	if p.text("authenticationRequirement") == "multiFactorAuthentication" {
		e.Amr = []string{"mfa"}
	}
	if code == lockedOut {
		e.Reason = "account_locked"
	}
}

func duo(o object, e *event.RequestEvent) {
	setAddress(e, o.text("access_device.ip"))
	if o.text("action") == "admin_lockout" {
		e.Reason = "account_locked"
		signedIn(e, o.text("username"), false)
		return
	}
	if o.text("event_type") != "authentication" {
		e.Route, e.Subject = o.text("action"), o.text("username")
		return
	}
	e.Subject = o.text("user.name")
	signedIn(e, o.text("user.name"), o.text("result") == "success")
	if e.GetAuthOutcome() == event.AuthFailure {
		e.AuthOutcome = event.AuthMFAFailure
	}
	e.Reason = o.text("reason")
}

// elided is what Snowflake writes in place of failures that it leaves out.
const elided = "OVERFLOW_FAILURE_EVENTS_ELIDED"

func snowflake(o object, e *event.RequestEvent) {
	setAddress(e, o.text("CLIENT_IP"))
	e.Subject = o.text("USER_NAME")
	if o.text("ERROR_MESSAGE") == elided {
		return
	}
	signedIn(e, e.GetSubject(), o.text("IS_SUCCESS") == "YES")
	if o.text("SECOND_AUTHENTICATION_FACTOR") != "" {
		e.Amr = []string{"mfa"}
	}
}

// anySignIn reads a sign-in in the words of any of the services of the standard
// rules; other events of theirs are requests.
func anySignIn(o object, e *event.RequestEvent) bool {
	setAddress(e, o.text("sourceIPAddress", "ip_address", "ipAddress", "client.ipAddress", "ipaddr", "context.client_ip_address", "client.ip_address", "protoPayload.requestMetadata.callerIP"))
	account := o.text("userIdentity.userName", "created_by.login", "actor.email", "actor.alternateId", "user_name", "target_user.email", "protoPayload.authenticationInfo.principalEmail")
	e.Subject = account
	outcome := strings.ToLower(o.text("responseElements.ConsoleLogin", "event_type", "name", "outcome.result", "event_type_id", "type"))
	switch outcome {
	case "failure", "failed_login", "login_failure", "6", "user_login_failed", "password_secret_bad":
		signedIn(e, account, false)
	case "success", "login", "login_success", "8", "user_login_succeeded", "credentials_ok":
		signedIn(e, account, true)
	}
	return true
}
