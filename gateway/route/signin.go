package route

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// SignIn says how the outcome and account of a sign-in are read. Immutable.
type SignIn struct {
	form    string   // Name of a form field, or
	path    []string // the members on the way to a JSON string.
	success []int
	failure []int
	mfa     []int
}

// faults reports what is wrong with a sign-in.
func (s *SignInSpec) faults() []error {
	var errs []error
	kind, name, _ := strings.Cut(s.Account, ":")
	if name == "" || kind != "form" && kind != "json" {
		errs = append(errs, fmt.Errorf("account: write form:NAME or json:PATH, is %q", s.Account))
	}
	if kind == "json" && slices.Contains(strings.Split(name, "."), "") {
		errs = append(errs, fmt.Errorf("account: %q has an empty member name", s.Account))
	}
	place := make(map[int]string)
	for _, list := range []struct {
		key      string
		statuses []int
	}{{"success", s.Success}, {"failure", s.Failure}, {"mfa_failure", s.MFAFailure}} {
		for _, status := range list.statuses {
			if status < 100 || status > 599 {
				errs = append(errs, fmt.Errorf("%s: %d is not an HTTP status", list.key, status))
			}
			if other := place[status]; other != "" && other != list.key {
				errs = append(errs, fmt.Errorf("%s: status %d is also in %s", list.key, status, other))
			}
			place[status] = list.key
		}
	}
	return errs
}

// compile turns a spec that has no faults into a sign-in; nil stays nil.
func (s *SignInSpec) compile() *SignIn {
	if s == nil {
		return nil
	}
	out := &SignIn{success: slices.Clone(s.Success), failure: slices.Clone(s.Failure), mfa: slices.Clone(s.MFAFailure)}
	kind, name, _ := strings.Cut(s.Account, ":")
	if kind == "form" {
		out.form = name
	} else {
		out.path = strings.Split(name, ".")
	}
	if len(out.success) == 0 {
		out.success = []int{200, 201, 204, 302, 303}
	}
	if len(out.failure) == 0 {
		out.failure = []int{400, 401, 403, 422, 423}
	}
	return out
}

// Outcome reads a sign-in's outcome from the upstream's status: one of the
// constants event.Auth….
func (s *SignIn) Outcome(status int) string {
	switch {
	case slices.Contains(s.mfa, status):
		return event.AuthMFAFailure
	case slices.Contains(s.failure, status):
		return event.AuthFailure
	case slices.Contains(s.success, status):
		return event.AuthSuccess
	}
	return event.AuthNone
}

// Account reads the login name that was tried from the first
// [SignInBodyBytesMax] bytes of the request's body, lower case, without
// surrounding space, at most [AccountBytesMax] bytes. It is empty where the
// body does not say, or is of another kind than the route declares. It is what
// a person typed: the caller turns it into a pseudonym at once.
func (s *SignIn) Account(body []byte, contentType string) string {
	body = body[:min(len(body), SignInBodyBytesMax)]
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	name := ""
	switch {
	case s.form != "" && media == "application/x-www-form-urlencoded":
		name = formField(string(body), s.form)
	case s.form != "" && media == "multipart/form-data":
		name = multipartField(body, params["boundary"], s.form)
	case s.form == "" && (media == "application/json" || strings.HasSuffix(media, "+json")):
		name = jsonString(body, s.path)
	}
	if !utf8.ValidString(name) {
		return ""
	}
	name = strings.ToLower(strings.TrimSpace(name))
	if len(name) > AccountBytesMax {
		return ""
	}
	return name
}

// formField returns the first value of a field. The body may be cut off: then
// its last field is not trusted.
func formField(body, field string) string {
	for rest, more := body, true; more; {
		var pair string
		pair, rest, more = strings.Cut(rest, "&")
		if !more && len(body) == SignInBodyBytesMax {
			return ""
		}
		key, value, _ := strings.Cut(pair, "=")
		k, err := url.QueryUnescape(key)
		if err != nil || k != field {
			continue
		}
		v, err := url.QueryUnescape(value)
		if err != nil {
			return ""
		}
		return v
	}
	return ""
}

func multipartField(body []byte, boundary, field string) string {
	if boundary == "" {
		return ""
	}
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := r.NextPart()
		if err != nil {
			return ""
		}
		if part.FormName() != field || part.FileName() != "" {
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, AccountBytesMax+1))
		if err != nil {
			return ""
		}
		return string(value)
	}
}

// jsonString returns the string at path, reading no further than it, so that a
// body that was cut off behind it is no obstacle.
func jsonString(body []byte, path []string) string {
	d := json.NewDecoder(bytes.NewReader(body))
	for _, member := range path {
		if !enter(d, member) {
			return ""
		}
	}
	t, err := d.Token()
	name, ok := t.(string)
	if err != nil || !ok {
		return ""
	}
	return name
}

// enter moves d into the object that it stands before, to the value of member.
func enter(d *json.Decoder, member string) bool {
	t, err := d.Token()
	if err != nil || t != json.Delim('{') {
		return false
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return false
		}
		if key == member {
			return true
		}
		var skip json.RawMessage
		err = d.Decode(&skip)
		if err != nil {
			return false
		}
	}
	return false
}
