package doctor

import (
	"io/fs"
	"time"

	"github.com/vigil-gateway/vigil/analyzer/standby"
	"github.com/vigil-gateway/vigil/schemas/access"
)

// Facts are what was seen of an installation. An Err says why something could not
// be seen.
type Facts struct {
	Now time.Time
	// Trial says that every broker is on loopback and spoken to in plain text.
	Trial bool

	Directory    Directory
	Configs      []ConfigFact
	Secrets      []SecretFact
	Keys         []KeyFact
	Shared       []SharedFact
	Certificates []CertificateFact
	Kafka        []KafkaFact
	Topics       TopicFacts
	Grants       []GrantFact
	Groups       []GroupFact
	ClickHouse   ClickHouseFact
	Clocks       []ClockFact
	Gateways     []GatewayFact
	Analyzers    []AnalyzerFact
	Issuers      []IssuerFact
	Disks        []DiskFact
	Descriptors  []DescriptorFact
}

// Directory is that of an installation which "vigil up" made; its Path is empty for
// any other.
type Directory struct {
	Path string
	// Runs says that it runs now, Start is the command that goes on with it.
	Runs  bool
	Start string
}

// ConfigFact is one configuration file.
type ConfigFact struct {
	File   string
	Faults []string
}

// SecretFact is a file that holds a secret.
type SecretFact struct {
	Key, Path string
	Mode      fs.FileMode
	Err       error
}

// KeyFact says whether a configuration's key set is one of its root, and has the
// key that it signs with.
type KeyFact struct {
	File string
	Err  error
}

// SharedFact is what every process must have alike.
type SharedFact struct {
	File string
	// Lanes is their number, Key a fingerprint of the tenant's key.
	Lanes int64
	Key   string
}

// CertificateFact is a certificate in a file, or one that a server has shown.
type CertificateFact struct {
	Key, Path string
	NotAfter  time.Time
	// Shown says that a server has shown it.
	Shown bool
	Err   error
}

// KafkaFact is whether a process reaches the brokers.
type KafkaFact struct {
	// Who is the configuration or the flags, Principal as whom.
	Who, Principal string
	Secure         bool
	Brokers        int
	// Shown is the certificate that a broker has shown; nil in plain text.
	Shown *CertificateFact
	Err   error
}

// TopicFacts are the topics as whoever may look sees them.
type TopicFacts struct {
	Err error
	// Known are by name.
	Known map[string]TopicFact
	// Unseen says why settings are missing.
	Unseen error
}

// TopicFact is one topic.
type TopicFact struct {
	Partitions, Replicas int
	// Lacking are partitions with fewer copies in step than they should have,
	// Leaderless those that nobody can read.
	Lacking, Leaderless int
	Config              map[string]string
	// Bytes is what the asked broker keeps of it; -1 where it does not say.
	Bytes int64
}

// GrantFact is what a principal may do with a topic.
type GrantFact struct {
	Role      access.Role
	Principal string
	Topic     string
	Allowed   []string
	Err       error
}

// GroupFact is a consumer group.
type GroupFact struct {
	Name string
	Lag  int64
	// Members are the processes in it.
	Members int
	Err     error
}

// ClickHouseFact is the database.
type ClickHouseFact struct {
	Configured       bool
	Address, User    string
	Loopback, Secure bool
	Err              error
	// Schema is what is not as the migrations make it.
	Schema error
	// Grants are those of the user, one statement each; RightsErr why they are not known.
	Grants    []string
	RightsErr error
	// Archives says that snapshots are to be kept there; ArchiveLacks the rights on their
	// table that the user does not have, ArchiveErr why that is not known.
	Archives     bool
	ArchiveLacks []string
	ArchiveErr   error
	// Free and Total are bytes of the fullest disk; DiskErr why they are not known.
	Free, Total uint64
	DiskErr     error
}

// ClockFact is how far a host's clock is from here; Within is how exactly that is known.
type ClockFact struct {
	Host           string
	Offset, Within time.Duration
}

// GatewayFact is what a gateway says of itself.
type GatewayFact struct {
	URL, ID, Status string
	Missing         []string
	// Silent is since when it knows nothing new of verdicts.
	Silent time.Duration
	// FacetSilent is the same of the analyzers' facet stage; 0 where it never spoke.
	FacetSilent   time.Duration
	Queued, Limit int64
	Dropped       map[string]uint64
	Refused       map[string]uint64
	Err           error
}

// AnalyzerFact is what an analyzer says of itself.
type AnalyzerFact struct {
	URL, Status, Model, Mode, ClickHouse string
	Lag, StoreLag                        int64
	// Copies are what a standby has of others' state, nil where it is none.
	Copies []standby.Copy
	Err    error
}

// IssuerFact is whether an issuer's keys can be had.
type IssuerFact struct {
	Issuer, URL string
	Keys        int
	Err         error
}

// DiskFact is the room where a process keeps something.
type DiskFact struct {
	Key, Path   string
	Free, Total uint64
	Err         error
}

// DescriptorFact is how many files and connections a process may have open.
type DescriptorFact struct {
	Process      string
	Limit, Needs uint64
	Err          error
}
