package route

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
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

// ErrAccount means that a sign-in's account cannot be told: two parties could
// read different names out of it, or only the service can read it at all. It must
// be refused, else a verdict about the account would not meet it.
var ErrAccount = errors.New("ambiguous account")

// Account reads the login name that is tried with r from its body, which must be
// whole and have at most [SignInBodyBytesMax] bytes: lower case, without
// surrounding space, at most [AccountBytesMax] bytes. It is empty where nothing
// says one. It is what a person typed: the caller turns it into a pseudonym at
// once. The error is [ErrAccount].
//
// A name counts wherever some service would find it, since whoever guesses
// passwords chooses how he writes: a field in the query too, a JSON member in any
// case and under any media type, a form where JSON is declared and the other way
// round. What only some services can read, such as JSON in other quotes or in UTF-16,
// is refused; no honest client writes it.
func (s *SignIn) Account(r *http.Request, body []byte) (string, error) {
	types := r.Header["Content-Type"]
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	if len(types) > 1 || err != nil && len(types) > 0 && types[0] != "" || len(r.Header["Content-Encoding"]) > 0 || !isUTF8(charset) {
		return "", ErrAccount
	}
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	if !s.plain(media, body) {
		return "", ErrAccount
	}
	field, path := s.form, s.path
	if field != "" {
		path = []string{field}
	} else if len(path) == 1 {
		field = path[0]
	}
	names, err := jsonNames(body, path)
	if err != nil {
		return "", err
	}
	if field == "" {
		return one(names)
	}
	switch media {
	case "", mediaForm: // Rack takes a body of no type for a form.
		names = append(names, formField(string(body), field)...)
	case mediaMultipart:
		values, err := multipartField(body, params["boundary"], field)
		if err != nil {
			return "", err
		}
		names = append(names, values...)
	}
	return one(append(names, formField(r.URL.RawQuery, field)...))
}

// Media types of forms.
const (
	mediaForm      = "application/x-www-form-urlencoded"
	mediaMultipart = "multipart/form-data"
)

// plain reports whether no service reads more in a body than what stands there: some
// tell UTF-16 by its zeros, and some take for JSON what is nearly JSON. Browsers
// encode the braces of a form.
func (s *SignIn) plain(media string, body []byte) bool {
	switch {
	case media == mediaMultipart:
		return true // A file in it may hold anything.
	case bytes.IndexByte(body, 0) >= 0:
		return false
	case s.form != "", len(bytes.TrimSpace(body)) == 0:
		return true
	case media == "" || media == mediaForm:
		return bytes.IndexByte(body, '{') < 0 || json.Valid(body)
	}
	return json.Valid(body)
}

// one is the account that all names stand for.
func one(names []string) (string, error) {
	for i, name := range names {
		if !utf8.ValidString(name) {
			name = "" // Nobody's: written in letters of another kind, or by chance.
		}
		names[i] = strings.ToLower(strings.TrimSpace(name))
		if names[i] != names[0] {
			return "", ErrAccount
		}
	}
	if len(names) == 0 || len(names[0]) > AccountBytesMax {
		return "", nil
	}
	return names[0], nil
}

// formField returns the values of a field.
func formField(body, field string) []string {
	var values []string
	for pair := range strings.SplitSeq(body, "&") {
		key, value, _ := strings.Cut(pair, "=")
		k, err := url.QueryUnescape(key)
		if err != nil || k != field {
			continue
		}
		v, err := url.QueryUnescape(value)
		if err == nil {
			values = append(values, v)
		}
	}
	return values
}

// multipartField returns the values of a field. The error is [ErrAccount] where a part is
// written as no browser writes one: frameworks differ about what its name and value are.
func multipartField(body []byte, boundary, field string) ([]string, error) {
	var values []string
	if boundary == "" {
		return nil, nil // Nobody finds a part in it.
	}
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return values, nil
		}
		if err != nil || !plainPart(part) {
			return nil, ErrAccount
		}
		if part.FormName() != field || part.FileName() != "" {
			continue
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, ErrAccount
		}
		values = append(values, string(value))
	}
}

// plainPart reports whether everybody reads the same name and value in a part: some look
// for a name in any disposition, in single quotes or by its last one, and some undo an
// encoding that RFC 7578, section 4.7, has done away with.
func plainPart(part *multipart.Part) bool {
	dispositions := part.Header["Content-Disposition"]
	if len(dispositions) != 1 || strings.Contains(dispositions[0], "*=") || part.FormName() == "" || strings.Contains(part.FormName(), "'") {
		return false
	}
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
	charset := params["charset"]
	if err != nil && part.Header.Get("Content-Type") != "" || !isUTF8(charset) {
		return false
	}
	switch strings.ToLower(part.Header.Get("Content-Transfer-Encoding")) {
	case "", "7bit", "8bit", "binary":
		return true
	}
	return false
}

// isUTF8 reports whether a charset is UTF-8 or a part of it; none is taken for it.
func isUTF8(charset string) bool {
	return charset == "" || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "us-ascii")
}

// jsonNames returns every name at path: of members with one name, readers take the
// first or the last. A whole number is its digits, since a database may compare it
// with a text. The error is [ErrAccount] where the value is neither, nor null.
func jsonNames(body []byte, path []string) ([]string, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	t, err := d.Token()
	if err != nil {
		return nil, nil //nolint:nilerr // No JSON: nobody reads a name in it.
	}
	if len(path) == 0 {
		switch name := t.(type) {
		case nil:
			return nil, nil
		case string:
			return []string{name}, nil
		case json.Number:
			if !strings.ContainsAny(name.String(), ".eE") {
				return []string{name.String()}, nil
			}
		}
		return nil, ErrAccount
	}
	if t != json.Delim('{') {
		return nil, nil
	}
	var names []string
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return names, nil //nolint:nilerr // Its end is missing: what stands before is read all the same.
		}
		var value json.RawMessage
		err = d.Decode(&value)
		if err != nil {
			return names, nil //nolint:nilerr // As above.
		}
		if k, _ := key.(string); strings.EqualFold(k, path[0]) {
			inner, err := jsonNames(value, path[1:])
			if err != nil {
				return nil, err
			}
			names = append(names, inner...)
		}
	}
	return names, nil
}
