package olap

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
)

// statement is one request as understood: everything but its data.
type statement struct {
	query    string
	format   string // Of the answer, or of an insert's data.
	insert   bool   // Data follows in the body.
	database string
	params   []parameter
	settings []parameter
	revision uint64
	// compress is the method for the answer, None where it goes plain.
	compress compress.Method
}

// Names of URL parameters that are no settings.
const (
	paramPrefix = "param_"
	reserved    = " query database default_format user password query_id quota_key client_protocol_version compress decompress " +
		"network_compression_method network_zstd_compression_level wait_end_of_query buffer_size role "
)

var (
	settingName  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)
	insertFormat = regexp.MustCompile(`(?is)^\s*(INSERT\s+INTO\s.+?)\s+FORMAT\s+(\w+)\s*;?\s*$`)
	answerFormat = regexp.MustCompile(`(?is)\sFORMAT\s+(\w+)\s*(?:SETTINGS\s[^'"]*)?;?\s*$`)
	readOnly     = regexp.MustCompile(`(?i)^\s*(SELECT|SHOW|DESC|DESCRIBE|EXISTS|EXPLAIN)\s`)
)

// parse reads a request's URL and, unless the body is an insert's data, its
// body. The error is an [*Exception].
func parse(r *http.Request) (statement, error) {
	q := r.URL.Query()
	st := statement{query: q.Get("query"), database: q.Get("database"), format: q.Get("default_format")}
	if st.format == "" {
		st.format = "TabSeparated"
	}
	if st.database == "" {
		st.database = "default"
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") || q.Has("session_id") {
		return st, refuse(codeNotImplemented, "sessions and external tables are not implemented here. (NOT_IMPLEMENTED)")
	}
	err := st.values(q)
	if err != nil {
		return st, err
	}
	if match := insertFormat.FindStringSubmatch(st.query); match != nil && r.Method == http.MethodPost {
		st.insert, st.query, st.format = true, match[1], match[2]
		return st, nil
	}
	body, err := io.ReadAll(io.LimitReader(data(r), QueryBytesMax+1))
	if err != nil {
		return st, refuse(codeCannotReadInput, "read the query: "+err.Error())
	}
	st.query = strings.TrimSpace(st.query + "\n" + string(body))
	switch {
	case len(st.query) > QueryBytesMax:
		return st, refuse(codeTooLarge, "the query is larger than "+strconv.Itoa(QueryBytesMax)+" B. (TOO_MANY_BYTES)")
	case st.query == "":
		return st, refuse(codeBadArguments, "Empty query. (BAD_ARGUMENTS)")
	case r.Method != http.MethodPost && !readOnly.MatchString(st.query):
		return st, refuse(codeReadonly, "only POST may change anything. (READONLY)")
	}
	if match := answerFormat.FindStringSubmatch(st.query); match != nil {
		st.format = match[1]
	}
	return st, nil
}

// values reads settings, parameters and the form of the answer from the URL.
func (st *statement) values(q url.Values) error {
	for name := range q {
		value := q.Get(name)
		switch {
		case strings.HasPrefix(name, paramPrefix):
			st.params = append(st.params, parameter{name[len(paramPrefix):], value})
		case strings.Contains(reserved, " "+name+" "):
		case !settingName.MatchString(name):
			return refuse(codeUnknownSetting, fmt.Sprintf("Unknown setting %q. (UNKNOWN_SETTING)", name))
		default:
			st.settings = append(st.settings, parameter{name, value})
		}
	}
	if len(st.params) > ParametersMax || len(st.settings) > SettingsMax {
		return refuse(codeTooLarge, "too many settings or parameters. (TOO_MANY_BYTES)")
	}
	byName := func(a, b parameter) int { return strings.Compare(a.name, b.name) }
	slices.SortFunc(st.params, byName) // A map's order would differ from run to run.
	slices.SortFunc(st.settings, byName)
	if text := q.Get("client_protocol_version"); text != "" {
		var err error
		st.revision, err = strconv.ParseUint(text, 10, 32)
		if err != nil {
			return refuse(codeBadArguments, "client_protocol_version: "+err.Error())
		}
	}
	st.compress = compress.None
	if q.Get("compress") == "1" {
		st.compress = compress.LZ4
		if strings.EqualFold(q.Get("network_compression_method"), "zstd") {
			st.compress = compress.ZSTD
		}
	}
	return nil
}

// data is a request's body, decompressed where the client says that it is
// compressed in ClickHouse's own way.
func data(r *http.Request) io.Reader {
	if r.URL.Query().Get("decompress") == "1" {
		return compress.NewReader(r.Body)
	}
	return r.Body
}

// authorised reports whether a request carries the user and password, in any
// of the three places that ClickHouse allows. It takes the same time whatever is wrong.
func (s *Server) authorised(r *http.Request) bool {
	if s.options.Username == "" && s.options.Password == "" {
		return true
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		user, password = r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	}
	if user == "" {
		user, password = r.URL.Query().Get("user"), r.URL.Query().Get("password")
	}
	return equal(user, s.options.Username)&equal(password, s.options.Password) == 1
}

func equal(got, want string) int {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want)) // Equal lengths, so that no length shows.
	return subtle.ConstantTimeCompare(a[:], b[:])
}

// set is the statement that makes the settings hold, reset the one that undoes it.
func set(settings []parameter) (set, reset string) {
	var on, off bytes.Buffer
	for i, p := range settings {
		sep := ", "
		if i == 0 {
			sep = "SET "
		}
		value := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(p.value)
		fmt.Fprintf(&on, "%s%s = '%s'", sep, p.name, value)
		fmt.Fprintf(&off, "%s%s = DEFAULT", sep, p.name)
	}
	return on.String(), off.String()
}
