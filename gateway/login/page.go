package login

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"

	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// style is the whole look of our pages: readable in every size and colour scheme,
// with targets that a thumb can hit.
const style = `:root{color-scheme:light dark}` +
	`body{margin:0;font:1.0625rem/1.5 system-ui,sans-serif;display:grid;min-height:100vh;place-items:center}` +
	`main{width:min(24rem,100vw - 3rem);padding:1.5rem 0}` +
	`h1{font-size:1.5rem;line-height:1.25;margin:0 0 .5rem}` +
	`p{margin:0 0 1.25rem}ul{list-style:none;margin:0;padding:0}` +
	`a,button{box-sizing:border-box;display:block;width:100%;min-height:2.875rem;margin:0 0 .75rem;padding:.625rem 1rem;` +
	`border:1px solid currentColor;border-radius:.5rem;font:inherit;text-align:center;text-decoration:none;` +
	`color:inherit;background:transparent;cursor:pointer}` +
	`input:not([type=hidden]){box-sizing:border-box;width:100%;min-height:2.875rem;margin:.25rem 0 .75rem;padding:.625rem 1rem;` +
	`border:1px solid currentColor;border-radius:.5rem;font:inherit;letter-spacing:.1em}` +
	`code{font:1.125rem/1.5 ui-monospace,monospace;overflow-wrap:anywhere}` +
	`button{color:#fff;background:#1259c3;border-color:#1259c3;font-weight:600}button:hover{background:#0d47a1}` +
	`form+a{margin-top:1rem}` +
	`a:hover{text-decoration:underline}` +
	`:focus-visible{outline:3px solid #1769e0;outline-offset:2px}` +
	`small{display:block;opacity:.8}`

// page is one of our pages. Again is a link to go on with, Choices are links to
// choose from, Form is a button.
type page struct {
	Title, Text, Code, Again, AgainText string
	// Support is what a person quotes who asks about a Code.
	Support string

	Secret  string       // Of an authenticator app, to be typed.
	App     template.URL // The same for an app on this device.
	Choices []choice
	Form    *form
}

type choice struct{ Name, Link string }

// form is one button; Token shows that it was on a page of ours.
type form struct {
	Action, Button, Token, Goes string

	// Options are for an authenticator; empty where none is asked. Make asks it for a
	// new key.
	Options string
	Make    bool
	// Input names what is to be typed; empty for nothing.
	Input string
}

// pageText needs no script, and says nothing that it was not given.
const pageText = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>{{.Title}}</title><style>{{.Style}}</style></head>
<body><main>
<h1>{{.Title}}</h1>
{{with .Text}}<p>{{.}}</p>{{end}}
{{with .Choices}}<ul>{{range .}}<li><a href="{{.Link}}">{{.Name}}</a></li>{{end}}</ul>{{end}}
{{with .Secret}}<p><code>{{.}}</code></p>{{end}}{{with .App}}<a href="{{.}}">Open my authenticator app</a>{{end}}
{{with .Form}}<form method="post" action="{{.Action}}"{{with .Options}} data-options="{{.}}"{{end}}{{if .Make}} data-make="1"{{end}}>` +
	`<input type="hidden" name="token" value="{{.Token}}">` +
	`{{if .Input}}<label for="answer">{{.Input}}</label><input id="answer" name="answer" inputmode="numeric" autocomplete="one-time-code" maxlength="6" required autofocus>` +
	`{{else}}<input type="hidden" name="answer" value="">{{end}}<button type="submit">{{.Button}}</button></form>{{end}}
{{if .Script}}<p id="note" role="status"></p><noscript><p>This page needs JavaScript.</p></noscript><script>{{.Script}}</script>{{end}}
{{with .Again}}<a href="{{.}}">{{$.AgainText}}</a>{{end}}
{{with .Code}}<p><small>Code: {{.}}</small>{{with $.Support}}<small>Support code: {{.}}</small>{{end}}</p>{{end}}
</main></body>
</html>
`

// page writes p. Nothing on it may be framed, run or loaded.
func (l *Login) page(w http.ResponseWriter, r *http.Request, status int, p page) Answer {
	t, err := template.New("page").Parse(pageText)
	if p.AgainText == "" {
		p.AgainText = "Continue"
		if p.Code != "" {
			p.AgainText = "Begin again"
		}
	}
	id := w.Header().Get(problem.HeaderRequestID) // The gateway has named the request.
	if p.Code != "" && id != "" {
		p.Support = event.SupportCode(id)
	}
	var script template.JS
	scripts := ""
	if p.Form != nil && p.Form.Options != "" {
		script, scripts = confirmScript, "; script-src '"+hash(confirmScript)+"'"
	}
	var b bytes.Buffer
	if err == nil {
		err = t.Execute(&b, struct {
			page

			Style  template.CSS
			Script template.JS
		}{p, style, script})
	}
	if err != nil {
		l.log.ErrorContext(r.Context(), "write page", "error", err) // Cannot happen: the template is ours.
	}
	action := "'none'"
	if p.Form != nil {
		action = "'self' " + p.Form.Goes
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src '"+hash(style)+"'"+scripts+
		"; form-action "+action+"; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // Who is gone reads no page either.
	}
	return Answer{Status: status, AuthOutcome: event.AuthNone}
}

// hash is how a policy names the one text that may count (Content Security Policy
// Level 3, section 2.3.1).
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
