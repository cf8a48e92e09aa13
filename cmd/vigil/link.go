package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/analyzer/query"
	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/config"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// tenantDefault is the one tenant of an installation that names none.
const tenantDefault = "default"

// part is one thing that a command must know about an installation.
type part struct {
	flag, usage string
	field       func(*runfile.Run) *string
}

// Parts that a command may ask for.
func clickhouseParts() []part {
	return []part{
		{"clickhouse", "ClickHouse, such as http://host:8123 or clickhouse://host:9000", func(r *runfile.Run) *string { return &r.ClickHouse }},
		{"clickhouse-database", "its database", func(r *runfile.Run) *string { return &r.ClickHouseDatabase }},
		{"clickhouse-user", "its user", func(r *runfile.Run) *string { return &r.ClickHouseUser }},
		{"clickhouse-password-file", "file of its password", func(r *runfile.Run) *string { return &r.ClickHousePasswordFile }},
		{"clickhouse-ca-file", "certificates that it is verified against (PEM); without it, plain text", func(r *runfile.Run) *string { return &r.ClickHouseCAFile }},
		{"clickhouse-cert-file", "certificate that is shown to it (PEM)", func(r *runfile.Run) *string { return &r.ClickHouseCertFile }},
		{"clickhouse-key-file", "its key (PEM)", func(r *runfile.Run) *string { return &r.ClickHouseKeyFile }},
		{"clickhouse-server-name", "name in its certificate where it is not the one that is dialled", func(r *runfile.Run) *string { return &r.ClickHouseServerName }},
		{"tenant", "tenant that is meant, as the gateway knows it by issuer, provider or credential; without it that of the installation", func(r *runfile.Run) *string { return &r.Tenant }},
	}
}

func adminParts() []part {
	return slices.Concat([]part{
		{"gateway-admin", "admin ports of all gateways, as URLs with commas between", func(r *runfile.Run) *string { return &r.GatewayAdmin }},
		{"analyzer-admin", "admin port of an analyzer, as a URL", func(r *runfile.Run) *string { return &r.Console }},
	}, nameParts(), portalParts(), operatorParts())
}

// nameParts are for raw names.
func nameParts() []part {
	return []part{{"tenant-key-file", "key of the pseudonyms, for raw names", func(r *runfile.Run) *string { return &r.TenantKeyFile }}}
}

// portalParts are for what the admin ports want to be shown, and are verified by.
func portalParts() []part {
	return append([]part{
		{"admin-token-file", "file of the bearer token of the admin ports", func(r *runfile.Run) *string { return &r.AdminTokenFile }},
	}, adminTLSParts()...)
}

func adminTLSParts() []part {
	return []part{
		{"admin-ca-file", "certificates that admin ports are verified against (PEM); without it, the system's", func(r *runfile.Run) *string { return &r.AdminCAFile }},
		{"admin-cert-file", "certificate that is shown to them (PEM)", func(r *runfile.Run) *string { return &r.AdminCertFile }},
		{"admin-key-file", "its key (PEM)", func(r *runfile.Run) *string { return &r.AdminKeyFile }},
	}
}

// analyzerParts are for what only analyzers know, each its share.
func analyzerParts() []part {
	return append([]part{
		{"analyzer-admin", "admin ports of all analyzers, as URLs with commas between", func(r *runfile.Run) *string { return &r.Console }},
	}, portalParts()...)
}

// gatewayParts are for what gateways hold.
func gatewayParts() []part {
	return []part{{"gateway-admin", "admin ports of all gateways, as URLs with commas between", func(r *runfile.Run) *string { return &r.GatewayAdmin }}}
}

// operatorParts are for what an operator signs.
func operatorParts() []part {
	return []part{
		{"operator-key-file", "Ed25519 key that signs what you decide (PKCS#8 PEM)", func(r *runfile.Run) *string { return &r.OperatorKeyFile }},
		{"operator-kid", "its id in the key set", func(r *runfile.Run) *string { return &r.OperatorKid }},
		{"key-set-file", "key set that says which key of a rotated operator-key-file signs now", func(r *runfile.Run) *string { return &r.KeySetFile }},
		{"root-public-file", "public key of the root that signed it", func(r *runfile.Run) *string { return &r.RootFile }},
	}
}

func tenantParts() []part {
	return []part{{"tenant", "whose verdicts", func(r *runfile.Run) *string { return &r.Tenant }}}
}

// link is how a command reaches an installation: from run.json, overridden by
// variables (--clickhouse is VIGIL_CLICKHOUSE) and then by flags.
type link struct {
	env   app.Env
	parts []part
	dir   string
	flags map[string]*string
}

// newLink adds the flags of the parts to a command.
func newLink(c *cobra.Command, env app.Env, parts ...[]part) *link {
	l := &link{env: env, flags: make(map[string]*string)}
	c.Flags().StringVar(&l.dir, "data", "", "directory of an installation that vigil up made (default "+runfile.DirDefault+")")
	for _, group := range parts {
		for _, p := range group {
			l.parts = append(l.parts, p)
			l.flags[p.flag] = c.Flags().String(p.flag, "", p.usage)
		}
	}
	return l
}

// directory is the one that was named; empty where nobody named any.
func (l *link) directory() string {
	return cmp.Or(l.dir, l.env.Lookup(config.EnvPrefix+"DATA"))
}

// hint is another command of this program, as a person can paste it: by the
// name that this one was called by, and about the same installation.
func hint(dir, command string) string {
	if dir == "" || filepath.Clean(dir) == runfile.DirDefault {
		return os.Args[0] + " " + command
	}
	name, rest, _ := strings.Cut(command, " ")
	return strings.TrimSuffix(fmt.Sprintf("%s %s --data %s %s", os.Args[0], name, dir, rest), " ")
}

// read merges all sources.
func (l *link) read() (runfile.Run, error) {
	dir := l.directory()
	named := dir != ""
	if !named {
		dir = runfile.DirDefault
	}
	run, err := runfile.Read(dir)
	if err != nil && (named || !errors.Is(err, runfile.ErrNone)) {
		return run, app.Usage("%w; start one with \"%s\"", err, hint(dir, "up"))
	}
	for _, p := range l.parts {
		value := *l.flags[p.flag]
		if value == "" {
			value = l.env.Lookup(config.EnvName(p.flag))
		}
		if value != "" {
			*p.field(&run) = value
		}
	}
	if run.Tenant == "" {
		run.Tenant = tenantDefault
	}
	return run, nil
}

// missing is the error where nobody said how to reach a part.
func missing(flag string) error {
	return app.Usage("no installation in %s: start one with \"vigil up\", name its directory with --data, or say --%s", runfile.DirDefault, flag)
}

// database is the part of a ClickHouse connection that commands read with.
type database interface {
	query.Conn

	Select(ctx context.Context, dest any, query string, args ...any) error
	Exec(ctx context.Context, query string, args ...any) error
	Close() error
}

// storeConfig is how the analyzer's store opens the installation's ClickHouse.
func storeConfig(run runfile.Run) (store.Config, error) {
	c := store.DefaultConfig()
	if run.ClickHouse == "" {
		return c, missing("clickhouse")
	}
	u, err := url.Parse(run.ClickHouse)
	if err != nil || u.Host == "" {
		return c, app.Usage("--clickhouse: needs a URL such as http://host:8123 or clickhouse://host:9000, is %q", run.ClickHouse)
	}
	switch u.Scheme {
	case "http":
		c.Protocol = store.ProtocolHTTP
	case "clickhouse", "native", "tcp":
		c.Protocol = store.ProtocolNative
	default:
		return c, app.Usage("--clickhouse: scheme must be one of http, clickhouse, is %q", u.Scheme)
	}
	c.Addresses = []string{u.Host}
	if run.ClickHouseDatabase != "" {
		c.Database = run.ClickHouseDatabase
	}
	c.Username, c.PasswordFile = run.ClickHouseUser, run.ClickHousePasswordFile
	c.TLS = tlsfile.Client{CAFile: run.ClickHouseCAFile, CertFile: run.ClickHouseCertFile, KeyFile: run.ClickHouseKeyFile, ServerName: run.ClickHouseServerName}
	return c, nil
}

// open connects to ClickHouse; the error says that it cannot be reached.
func open(ctx context.Context, run runfile.Run) (database, error) {
	c, err := storeConfig(run)
	if err != nil {
		return nil, err
	}
	conn, err := store.Open(ctx, c)
	network, refused := errors.AsType[*net.OpError](err)
	if refused { // The driver's own text is a long URL.
		return nil, app.Unreachable(fmt.Errorf("nobody answers at ClickHouse's address %s: %w; is \"vigil up\" running?", strings.Join(c.Addresses, ", "), network.Err))
	}
	if err != nil {
		return nil, app.Unreachable(clickhouseFault(err, strings.Join(c.Addresses, ", "), run.ClickHouseUser))
	}
	return conn, nil
}

// clickhouseFault says in a sentence what the driver wraps four times; by its own
// text where that has no type here.
func clickhouseFault(err error, address, user string) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "AUTHENTICATION_FAILED"):
		return fmt.Errorf("ClickHouse at %s does not let user %q in with this password: say --clickhouse-user and --clickhouse-password-file, or name with --data the directory of an installation that \"vigil up\" made", address, cmp.Or(user, "default"))
	case errors.Is(err, context.DeadlineExceeded), strings.Contains(text, "acquire conn timeout"):
		return fmt.Errorf("ClickHouse at %s takes connections and does not answer in time: try again when it has less to do", address)
	}
	return err
}

// names are the pseudonyms of the tenant.
func names(run runfile.Run) (event.Names, error) {
	if run.TenantKeyFile == "" {
		return event.Names{}, missing("tenant-key-file")
	}
	key, err := os.ReadFile(run.TenantKeyFile)
	if err != nil {
		return event.Names{}, app.Usage("read tenant key: %w", err)
	}
	return event.NewNames(key)
}

// operator signs what an operator decides.
func operator(run runfile.Run, now time.Time) (verdict.Signer, error) {
	var none verdict.Signer
	if run.OperatorKeyFile == "" {
		return none, missing("operator-key-file")
	}
	b, err := os.ReadFile(run.OperatorKeyFile)
	if err != nil {
		return none, app.Usage("read operator key: %w", err)
	}
	private, err := verdict.ParsePrivateKeys(b)
	if err != nil {
		return none, app.Usage("read operator key: %s: %w", run.OperatorKeyFile, err)
	}
	if run.KeySetFile == "" || run.RootFile == "" {
		switch {
		case run.OperatorKid == "":
			return none, missing("operator-kid, or --key-set-file and --root-public-file")
		case len(private) > 1:
			return none, app.Usage("%s holds %d keys: name --key-set-file and --root-public-file, which say which of them signs now", run.OperatorKeyFile, len(private))
		}
		return verdict.NewSigner(run.OperatorKid, private[0]), nil
	}
	set, err := keyfile.KeySet(run.RootFile, run.KeySetFile)
	if err != nil {
		return none, app.Usage("operator key: %w", err)
	}
	signer, err := set.Signer(verdict.ClassOperator, private, now)
	if err != nil {
		return none, app.Usage("operator key: %s: %w; see \"vigil keys show\"", run.OperatorKeyFile, err)
	}
	return signer, nil
}

// adminURLs are the base URLs of all known admin ports, gateways first.
func adminURLs(run runfile.Run) (gateways []string, analyzer string, err error) {
	for u := range strings.SplitSeq(run.GatewayAdmin, ",") {
		u = strings.TrimSuffix(strings.TrimSpace(u), "/")
		if u != "" {
			gateways = append(gateways, u)
		}
	}
	analyzer = strings.TrimSuffix(run.Console, "/")
	if len(gateways) == 0 && analyzer == "" {
		return nil, "", missing("gateway-admin and --analyzer-admin")
	}
	for _, u := range append(append([]string(nil), gateways...), analyzer) {
		parsed, err := url.Parse(u)
		if u != "" && (err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https") {
			return nil, "", app.Usage("admin port: needs a URL such as http://host:8081, is %q", u)
		}
	}
	return gateways, analyzer, nil
}
