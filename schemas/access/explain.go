package access

import (
	"errors"
	"fmt"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// Principal is who a broker thinks that we are, as far as this side can know: it
// may map the name of a certificate to another one.
func (a *Access) Principal() string {
	switch {
	case a == nil:
		return "User:ANONYMOUS"
	case a.sasl.Mechanism != "":
		return "User:" + a.sasl.Username
	case a.dialer.Name() != "":
		return "User:" + a.dialer.Name()
	}
	return "User:ANONYMOUS"
}

// Explain adds to an error of Kafka that turns this process away what a person has
// to do: whose password is wrong, or who lacks which operation on which resource,
// such as "topic vigil.requests". It returns any other error as it is.
func (a *Access) Explain(err error, operation, resource string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kafka.SASLAuthenticationFailed):
		return fmt.Errorf("%w; the broker refuses %s: look at kafka.sasl.username and password_file, and whether the broker knows this user", err, a.Principal())
	case a != nil && errors.Is(err, kafka.UnsupportedSASLMechanism):
		return fmt.Errorf("%w; the broker does not take kafka.sasl.mechanism %s on this port", err, a.sasl.Mechanism)
	case denied(err):
		if operation == Describe {
			operation += " (Read and Write include it)"
		}
		return fmt.Errorf("%w; %s lacks %s on %s: grant it with kafka-acls.sh (\"vigil topics acl\" prints how)", err, a.Principal(), operation, resource)
	case a != nil && hidden(err) && resource != "":
		return fmt.Errorf("%w; %s is not there, or %s lacks Describe on it", err, resource, a.Principal())
	case strings.Contains(err.Error(), "remote error: tls:") && !errors.Is(err, tlsfile.ErrHandshake):
		return fmt.Errorf("%w; the broker refuses this client's certificate: look at kafka.tls.cert_file", err)
	}
	return err
}

// hidden reports whether a topic is not there for this principal. Who has lost his
// grants is shown the topic without partitions, or is shown none.
func hidden(err error) bool {
	return errors.Is(err, kafka.UnknownTopicOrPartition) || errors.Is(err, protocol.ErrNoTopic) || errors.Is(err, protocol.ErrNoPartition)
}

// denied reports whether the authorizer has said no.
func denied(err error) bool {
	for _, code := range []kafka.Error{kafka.TopicAuthorizationFailed, kafka.GroupAuthorizationFailed, kafka.ClusterAuthorizationFailed} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}
