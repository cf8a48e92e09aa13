package access

import "github.com/vigil-gateway/vigil/schemas/topic"

// Role is a part that a process plays towards Kafka. Each has a principal of its
// own, each gateway too, so that one that was taken over can be shut out alone.
type Role string

// Roles.
const (
	// RoleGateway writes what it saw and did, and follows verdicts. It may write no
	// verdict: whoever takes a gateway over must not end sessions at the others.
	RoleGateway Role = "gateway"
	// RoleAnalyzer reads everything and alone writes verdicts.
	RoleAnalyzer Role = "analyzer"
	// RoleOperator makes topics, looks at the cluster and reads the dead letters
	// ("vigil topics", "vigil doctor", "vigil dead"). It reads no other record and
	// writes none.
	RoleOperator Role = "operator"
	// RoleReader is another system that takes assessments over.
	RoleReader Role = "reader"
)

// Roles lists all roles.
func Roles() []Role { return []Role{RoleGateway, RoleAnalyzer, RoleOperator, RoleReader} }

// Kinds of what a [Grant] is about, by the names of Kafka's tools.
const (
	Topic   = "topic"
	Group   = "group"
	Cluster = "cluster"
)

// Operations of Kafka's authorizer, by the names of its tools. Read and Write
// include Describe.
const (
	Read            = "Read"
	Write           = "Write"
	Create          = "Create"
	Describe        = "Describe"
	DescribeConfigs = "DescribeConfigs"
)

// Beginnings of names that a prefixed grant covers.
const (
	// Prefix is that of all our topics.
	Prefix = "vigil."
	// GroupPrefix is that of the analyzer's consumer groups.
	GroupPrefix = "vigil-"
	// ReaderGroupPrefix is that of the groups of [RoleReader].
	ReaderGroupPrefix = "reader-"
)

// Grant is what a role may do.
type Grant struct {
	Operations []string
	// Resource is a topic, group or the cluster; the cluster has no name.
	Resource string
	Names    []string
	// Prefixed says that the names are beginnings of names.
	Prefixed bool
}

// Grants is the least that a role needs, and all that it may have.
func Grants(role Role) []Grant {
	read, write := []string{Read}, []string{Write}
	switch role {
	case RoleGateway:
		return []Grant{
			{Operations: write, Resource: Topic, Names: []string{topic.Requests, topic.Enforcements}},
			{Operations: read, Resource: Topic, Names: []string{topic.Verdicts}},
		}
	case RoleAnalyzer:
		return []Grant{
			// Requests too: the point at which a shared epoch comes into force stands among them.
			{Operations: write, Resource: Topic, Names: []string{topic.Requests, topic.Facets, topic.Assessments, topic.Verdicts, topic.Control, topic.Cuts, topic.Dead}},
			{Operations: read, Resource: Topic, Names: []string{topic.Requests, topic.Facets, topic.Assessments, topic.Verdicts, topic.Control, topic.Enforcements, topic.Cuts}},
			{Operations: read, Resource: Group, Names: []string{GroupPrefix}, Prefixed: true},
		}
	case RoleOperator:
		return []Grant{
			{Operations: []string{Create, Describe, DescribeConfigs}, Resource: Topic, Names: []string{Prefix}, Prefixed: true},
			{Operations: read, Resource: Topic, Names: []string{topic.Dead}},
			{Operations: []string{Describe}, Resource: Group, Names: []string{GroupPrefix}, Prefixed: true},
			{Operations: []string{Describe, DescribeConfigs}, Resource: Cluster},
		}
	case RoleReader:
		return []Grant{
			{Operations: read, Resource: Topic, Names: []string{topic.Assessments}},
			{Operations: read, Resource: Group, Names: []string{ReaderGroupPrefix}, Prefixed: true},
		}
	}
	return nil
}
