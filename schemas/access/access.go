package access

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// Access reaches brokers. Nil is plain text, as nobody.
type Access struct {
	dialer *tlsfile.Dialer
	sasl   SASL
	dial   func(ctx context.Context, network, address string) (net.Conn, error) // Nil is the machine's network.
}

// Through is plain text, as nobody, over a network of the caller's own, such as one
// in memory.
func Through(dial func(ctx context.Context, network, address string) (net.Conn, error)) *Access {
	return &Access{dial: dial}
}

// Open reads the files of c. The error names the key at fault. o.Changed hears of
// certificates that are replaced while the process runs.
func Open(c Config, o tlsfile.Options) (*Access, error) {
	err := c.Validate()
	if err != nil {
		return nil, err
	}
	d, err := tlsfile.NewDialer(c.TLS, o)
	if err != nil {
		return nil, err //nolint:wrapcheck // Names its key.
	}
	if c.SASL.Mechanism != "" { // So that a wrong path is told at the start.
		_, err = keyfile.Password("sasl.password_file", c.SASL.PasswordFile)
		if err != nil {
			return nil, err
		}
	}
	return &Access{dialer: d, sasl: c.SASL}, nil
}

// never is the clock of what is read once and thrown away.
func never() time.Time { return time.Time{} }

// Dial connects to a broker without authenticating; for kafka-go, which does that.
func (a *Access) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	switch {
	case a == nil:
		return (*tlsfile.Dialer)(nil).Dial(ctx, network, address)
	case a.dial != nil:
		return a.dial(ctx, network, address)
	}
	return a.dialer.Dial(ctx, network, address)
}

// Mechanism authenticates connections; nil where none is configured.
func (a *Access) Mechanism() sasl.Mechanism {
	if a == nil || a.sasl.Mechanism == "" {
		return nil
	}
	return mechanism{a.sasl}
}

// Transport is a new transport of kafka-go; the caller sets what else it wants
// and closes its idle connections.
func (a *Access) Transport(clientID string) *kafka.Transport {
	return &kafka.Transport{ClientID: clientID, Dial: a.Dial, SASL: a.Mechanism()}
}

// Dialer is a dialer of kafka-go.
func (a *Access) Dialer(clientID string, timeout time.Duration) *kafka.Dialer {
	return &kafka.Dialer{ClientID: clientID, Timeout: timeout, DialFunc: a.Dial, SASLMechanism: a.Mechanism()}
}

// Connect returns a connection that has authenticated and carries requests of
// Kafka's protocol from here on, for those that kafka-go does not know.
func (a *Access) Connect(ctx context.Context, clientID, address string) (net.Conn, error) {
	var raw net.Conn
	d := a.Dialer(clientID, 0)
	d.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := a.Dial(ctx, network, address)
		raw = conn
		return conn, err
	}
	_, err := d.DialContext(ctx, "tcp", address) // It answers no requests until it is asked.
	if err != nil {
		return nil, a.Explain(err, "", "")
	}
	return raw, nil
}

// mechanism reads the password for each connection, so that a new one comes into
// force without a restart.
type mechanism struct{ sasl SASL }

// Name is that of the mechanism in the protocol.
func (m mechanism) Name() string { return m.sasl.Mechanism }

// Start begins to authenticate one connection.
func (m mechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	password, err := keyfile.Password("kafka.sasl.password_file", m.sasl.PasswordFile)
	if err != nil {
		return nil, nil, err
	}
	var of sasl.Mechanism
	switch m.sasl.Mechanism {
	case Plain:
		of = plain.Mechanism{Username: m.sasl.Username, Password: string(password)}
	case ScramSHA256:
		of, err = scram.Mechanism(scram.SHA256, m.sasl.Username, string(password))
	case ScramSHA512:
		of, err = scram.Mechanism(scram.SHA512, m.sasl.Username, string(password))
	default:
		err = errors.New("no such mechanism")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("authenticate with %s: %w", m.sasl.Mechanism, err)
	}
	return of.Start(ctx)
}
