package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/analyzer/query"
	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// newQueryCommand asks the named questions.
func newQueryCommand(env app.Env) *cobra.Command {
	var params []string
	var raw rawNames
	c := &cobra.Command{
		Use:   "query [NAME]",
		Short: "Ask one of the named questions; without a name, list them",
		Example: `  vigil query
  vigil query traffic
  vigil query timeline --param subject=q8Xz…  -o json
  vigil query timeline --issuer https://login.example.com --sub ana`,
		Args: atMostOne("one question"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var all []cobra.Completion
			for _, q := range query.Names() {
				all = append(all, cobra.CompletionWithDesc(q.Name, q.Text))
			}
			return all, cobra.ShellCompDirectiveNoFileComp
		},
	}
	l := newLink(c, env, clickhouseParts(), nameParts())
	c.Flags().StringVar(&raw.issuer, "issuer", "", "raw name: the token's iss")
	c.Flags().StringVar(&raw.sub, "sub", "", "raw name for the parameter subject: the token's sub")
	c.Flags().StringVar(&raw.sid, "sid", "", "raw name for the parameter session: the token's sid")
	c.Flags().StringArrayVarP(&params, "param", "p", nil, "a parameter of the question, key=value; may be repeated")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return listQuestions(cmd, env)
		}
		return ask(cmd, env, l, raw, args[0], params)
	}
	return c
}

func listQuestions(c *cobra.Command, env app.Env) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	all := query.Names()
	if asJSON {
		type param struct {
			Name     string `json:"name"`
			Type     string `json:"type"`
			Default  string `json:"default,omitempty"`
			Required bool   `json:"required"`
			Text     string `json:"text"`
		}
		type question struct {
			Name   string  `json:"name"`
			Text   string  `json:"text"`
			Params []param `json:"params"`
		}
		out := make([]question, 0, len(all))
		for _, q := range all {
			one := question{Name: q.Name, Text: q.Text, Params: []param{}}
			for _, p := range q.Params {
				one.Params = append(one.Params, param(p))
			}
			out = append(out, one)
		}
		return writeJSON(env.Stdout, out)
	}
	rows := make([][]string, 0, len(all))
	for _, q := range all {
		var params []string
		for _, p := range q.Params {
			text := p.Name
			if !p.Required {
				text = "[" + p.Name + "=" + p.Default + "]"
			}
			params = append(params, text)
		}
		rows = append(rows, []string{q.Name, strings.Join(params, " "), q.Text})
	}
	return newPrinter(c, env).table([]string{"NAME", "PARAMETERS", "QUESTION"}, rows)
}

func ask(c *cobra.Command, env app.Env, l *link, raw rawNames, name string, pairs []string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	q, err := query.Find(name)
	if err != nil {
		return &app.ExitError{Code: app.ExitUsage, Err: err}
	}
	params := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		key, value, found := strings.Cut(pair, "=")
		if !found {
			return app.Usage("--param: needs the form key=value, is %q", pair)
		}
		params[key] = value
	}
	err = checkTypes(q, params)
	if err != nil {
		return err
	}
	err = checkSubject(q, params, raw)
	if err != nil {
		return err
	}
	run, err := l.read()
	if err != nil {
		return err
	}
	err = raw.into(params, q, run)
	if err != nil {
		return err
	}
	for _, p := range q.Params {
		_, given := params[p.Name]
		if p.Name == "tenant" && !given {
			params[p.Name] = run.Tenant
		}
	}
	db, err := open(c.Context(), run)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	columns, rows, err := query.Run(c.Context(), db, name, params)
	switch {
	case errors.Is(err, query.ErrTruncated):
		say(env.Stderr, "%s; these are the first\n", err)
	case errors.Is(err, query.ErrParameters):
		return &app.ExitError{Code: app.ExitUsage, Err: err}
	case err != nil:
		return err
	}
	if asJSON {
		return writeJSON(env.Stdout, objects(columns, rows))
	}
	err = newPrinter(c, env).answer(columns, rows)
	if err == nil && len(rows) == 0 {
		say(env.Stderr, "nothing answers this question in its period: %s\n", q.Text)
		if subject := params["subject"]; subject != "" && !event.Pseudonym(subject) {
			say(env.Stderr, "%q is no pseudonym, which has 22 characters; the raw name of a subject is given by --issuer and --sub\n", clean(shorten(subject, 80)))
		}
	}
	return err
}

// into puts the pseudonym of a raw name into the parameter that takes it.
func (n *rawNames) into(params map[string]string, q query.Question, run runfile.Run) error {
	if n.issuer != "" && n.sub == "" && n.sid == "" {
		return app.Usage("--issuer goes with --sub or --sid")
	}
	for _, kind := range []string{verdict.TargetSubject, verdict.TargetSession} {
		name, _ := n.raw(kind)
		if name == "" {
			continue
		}
		if !slices.ContainsFunc(q.Params, func(p query.Param) bool { return p.Name == kind }) {
			return app.Usage("question %s has no parameter %s for a raw name", q.Name, kind)
		}
		if params[kind] != "" {
			return app.Usage("give --param %s or a raw name, not both", kind)
		}
		id, err := n.pseudonym(run, kind)
		if err != nil {
			return err
		}
		params[kind] = id
	}
	return nil
}

// checkTypes says in one sentence what the server would say in a page.
func checkTypes(q query.Question, params map[string]string) error {
	for _, p := range q.Params {
		value, given := params[p.Name]
		if !given || p.Type != "UInt32" {
			continue
		}
		_, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return app.Usage("--param %s: must be a whole number from 0 to %d (%s), is %q", p.Name, uint32(math.MaxUint32), p.Type, clean(shorten(value, 80)))
		}
	}
	return nil
}

// checkSubject asks what a question is about where nobody has said it: a parameter
// that is required, or one of those that are empty by default.
func checkSubject(q query.Question, params map[string]string, raw rawNames) error {
	var about []string
	example, flags := "", ""
	for _, p := range q.Params {
		if !p.Required && p.Default != "" {
			continue
		}
		name, by := raw.raw(p.Name)
		value, given := params[p.Name]
		if value != "" || given && p.Required || name != "" { // Events may have no subject.
			return nil
		}
		about = append(about, fmt.Sprintf("%s (%s)", p.Name, strings.TrimSuffix(p.Text, ".")))
		if example == "" {
			example, flags = p.Name, by
		}
	}
	if example == "" {
		return nil
	}
	text := fmt.Sprintf("question %s needs to know %s, as in \"vigil query %s --param %s=…\"", q.Name, strings.Join(about, " or "), q.Name, example)
	if flags != "" {
		text += fmt.Sprintf("; a raw name of a %s is given by %s", example, flags)
	}
	return app.Usage("%s", text)
}

// objects gives every value its column's name.
func objects(columns []string, rows [][]any) []map[string]any {
	out := make([]map[string]any, 0, len(rows))
	for _, row := range rows {
		one := make(map[string]any, len(columns))
		for i, v := range row {
			f, ok := v.(float64)
			if ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
				v = nil // JSON has no such number.
			}
			one[columns[i]] = v
		}
		out = append(out, one)
	}
	return out
}

func (p printer) answer(columns []string, rows [][]any) error {
	head := make([]string, 0, len(columns))
	for _, c := range columns {
		head = append(head, strings.ToUpper(strings.ReplaceAll(c, "_", " ")))
	}
	cells := make([][]string, 0, len(rows))
	for _, row := range rows {
		line := make([]string, 0, len(row))
		for _, v := range row {
			line = append(line, clean(shorten(cellText(v), 120)))
		}
		cells = append(cells, line)
	}
	return p.table(head, cells)
}

// cellText is a value as a table shows it.
func cellText(v any) string {
	switch x := v.(type) {
	case nil:
		return "-"
	case time.Time:
		return x.UTC().Format("2006-01-02 15:04:05.000")
	case float64:
		return strconv.FormatFloat(x, 'f', 2, 64)
	case []string:
		return strings.Join(x, ", ")
	case map[string]string:
		var pairs []string
		for _, k := range slices.Sorted(maps.Keys(x)) {
			pairs = append(pairs, k+"="+x[k])
		}
		return strings.Join(pairs, ", ")
	}
	return fmt.Sprint(v)
}
