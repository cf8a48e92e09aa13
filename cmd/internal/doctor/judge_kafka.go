package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

func kafkaReached(f Facts, r *report) {
	for _, k := range f.Kafka {
		if k.Err != nil {
			r.red("the text says what is in the way; requests go on by their routes' posture meanwhile", "%s as %s: %v", k.Who, k.Principal, k.Err)
		}
	}
	if len(f.Kafka) > 0 {
		r.green("%d brokers answer %d configurations", f.Kafka[0].Brokers, len(f.Kafka))
	}
}

func kafkaSecured(f Facts, r *report) {
	for _, k := range f.Kafka {
		switch {
		case f.Trial:
		case !k.Secure:
			r.red("set kafka.tls.ca_file, see deploy/kafka: whoever is on the network reads events and can write verdicts to withhold real ones", "%s speaks plain text with Kafka", k.Who)
		case k.Principal == "User:ANONYMOUS":
			r.red("set kafka.sasl or kafka.tls.cert_file, see deploy/kafka", "%s shows Kafka neither a name nor a certificate", k.Who)
		}
	}
	switch {
	case len(f.Kafka) == 0:
	case f.Trial:
		r.green("brokers are on this machine alone")
	default:
		r.green("connections to Kafka are encrypted and named")
	}
}

// known reports whether topics were seen at all; the check topics says why not.
func (f Facts) known() bool { return f.Topics.Err == nil && len(f.Topics.Known) > 0 }

func topicsThere(f Facts, r *report) {
	if f.Topics.Err != nil {
		r.red("let the doctor look: an operator's grants are in \"vigil topics acl\"", "topics cannot be seen: %v", f.Topics.Err)
		return
	}
	if f.Topics.Known == nil {
		return
	}
	for _, want := range topic.All(1) {
		have, there := f.Topics.Known[want.Name]
		switch {
		case !there:
			r.red("run \"vigil topics apply\"", "topic %s is missing", want.Name)
		case have.Leaderless > 0:
			r.red("look at the brokers: nobody can read or write there", "topic %s has %d partitions without a leader", want.Name, have.Leaderless)
		}
	}
	requests := f.Topics.Known[topic.Requests].Partitions
	for _, name := range []string{topic.Assessments, topic.Verdicts} {
		if have, there := f.Topics.Known[name]; there && requests > 0 && have.Partitions != requests {
			r.red("give it the same number (kafka-topics.sh --alter --partitions) and restart the analyzers: what is judged in one partition is announced in the same one",
				"topic %s has %d partitions, %s has %d", name, have.Partitions, topic.Requests, requests)
		}
	}
	r.green("%d topics are there, with %d partitions of requests", len(topic.All(1)), requests)
}

func topicSettings(f Facts, r *report) {
	if !f.known() {
		return
	}
	if f.Topics.Unseen != nil {
		r.yellow("grant the doctor's principal DescribeConfigs on the topics", "settings of topics cannot be seen: %v", f.Topics.Unseen)
		return
	}
	for _, want := range topic.All(1) {
		have, there := f.Topics.Known[want.Name]
		if !there {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(want.Config())) {
			value := want.Config()[name]
			got, said := have.Config[name]
			if !said || got == value {
				continue
			}
			hint := fmt.Sprintf("kafka-configs.sh --alter --topic %s --add-config %s=%s", want.Name, name, value)
			switch name {
			case "cleanup.policy":
				r.red(hint, "topic %s has %s=%s, needs %s", want.Name, name, got, value)
			case "retention.ms":
				if shorter(got, value) {
					r.yellow(hint, "topic %s keeps records %s ms, %s are foreseen: what is stored later than that is lost", want.Name, got, value)
				}
			default:
				r.yellow(hint, "topic %s has %s=%s, %s is foreseen", want.Name, name, got, value)
			}
		}
	}
	r.green("clean-up, retention and time stamps of the topics are as foreseen")
}

// shorter reports whether a time in milliseconds is below another; below 0 is for ever.
func shorter(got, want string) bool {
	g, err := strconv.ParseInt(got, 10, 64)
	w, other := strconv.ParseInt(want, 10, 64)
	return err == nil && other == nil && g >= 0 && g < w
}

func topicCopies(f Facts, r *report) {
	if !f.known() {
		return
	}
	var few []string
	for _, name := range slices.Sorted(maps.Keys(f.Topics.Known)) {
		t := f.Topics.Known[name]
		if t.Lacking > 0 {
			r.red("look at the brokers: a copy is behind or gone", "topic %s has %d partitions with too few copies in step", name, t.Lacking)
		}
		if f.Trial {
			continue
		}
		least, err := strconv.Atoi(t.Config["min.insync.replicas"])
		switch {
		case t.Replicas < 3:
			few = append(few, name)
		case err == nil && least < 2:
			r.yellow(fmt.Sprintf("kafka-configs.sh --alter --topic %s --add-config min.insync.replicas=2", name),
				"topic %s is acknowledged when %d copy has a record", name, least)
		case err == nil && least >= t.Replicas:
			r.yellow(fmt.Sprintf("kafka-configs.sh --alter --topic %s --add-config min.insync.replicas=%d", name, t.Replicas-1),
				"topic %s takes nothing while one of its %d copies is away", name, t.Replicas)
		}
	}
	if len(few) > 0 {
		r.yellow("use three copies (kafka-reassign-partitions.sh): a broker that dies may take acknowledged events along", "fewer than three copies of %s", strings.Join(few, ", "))
	}
	if f.Trial {
		r.green("one copy of each topic, on this machine alone")
	}
	r.green("each topic has its copies")
}

// verdictBytes is how much of vigil.verdicts a gateway reads at its start in good time.
const verdictBytes = 256 << 20

func verdictTopic(f Facts, r *report) {
	t, there := f.Topics.Known[topic.Verdicts]
	switch {
	case !there:
	case t.Bytes < 0:
		r.yellow("grant the doctor's principal Describe on the cluster", "the size of %s is not told", topic.Verdicts)
	case t.Bytes > verdictBytes*int64(max(t.Partitions, 1)):
		r.red("look at the broker's log cleaner (log-cleaner.log): a gateway reads all this before it serves", "%s holds %d MiB: it is not compacted", topic.Verdicts, t.Bytes>>20)
	case t.Bytes > verdictBytes*int64(max(t.Partitions, 1))/4:
		r.yellow("look at the broker's log cleaner, and at what writes so many verdicts", "%s holds %d MiB", topic.Verdicts, t.Bytes>>20)
	default:
		r.green("%s holds %d KiB", topic.Verdicts, t.Bytes>>10)
	}
}

func grantsNeeded(f Facts, r *report) {
	for _, g := range f.Grants {
		if g.Err != nil {
			r.yellow("the text says what is in the way", "what %s may do with %s is not known: %v", g.Principal, g.Topic, g.Err)
			continue
		}
		for _, o := range needed(g.Role, g.Topic) {
			if !slices.Contains(g.Allowed, o) {
				r.red("grant it: \"vigil topics acl\" prints how", "%s (%s) lacks %s on topic %s", g.Principal, g.Role, o, g.Topic)
			}
		}
	}
	if len(f.Grants) > 0 {
		r.green("every role may do its share")
	}
}

func grantsWide(f Facts, r *report) {
	open := false
	for _, g := range f.Grants {
		if g.Err != nil || f.Trial {
			continue
		}
		for _, o := range []string{access.Write, access.Read} {
			if !slices.Contains(g.Allowed, o) || slices.Contains(needed(g.Role, g.Topic), o) {
				continue
			}
			open = true
			if g.Topic == topic.Verdicts || g.Topic == topic.Control {
				r.red("take it away (kafka-acls.sh --remove), or give the brokers an authorizer, see deploy/kafka", "%s (%s) may %s topic %s", g.Principal, g.Role, strings.ToLower(o), g.Topic)
				continue
			}
			r.yellow("take it away (kafka-acls.sh --remove), or give the brokers an authorizer, see deploy/kafka", "%s (%s) may %s topic %s", g.Principal, g.Role, strings.ToLower(o), g.Topic)
		}
	}
	switch {
	case len(f.Grants) == 0 || open:
	case f.Trial:
		r.green("everybody may do everything, on this machine alone")
	default:
		r.green("no role may do more than its share")
	}
}

// needed are the operations that a role needs on a topic.
func needed(role access.Role, name string) []string {
	var all []string
	for _, g := range access.Grants(role) {
		if g.Resource == access.Topic && slices.ContainsFunc(g.Names, func(n string) bool { return n == name || g.Prefixed && strings.HasPrefix(name, n) }) {
			all = append(all, g.Operations...)
		}
	}
	return all
}

// Lags that a person should know of, in records.
const (
	lagYellow = 100_000
	lagRed    = 2_000_000
)

func groupLag(f Facts, r *report) {
	for _, g := range f.Groups {
		const hint = "look at the analyzers of this group: are they running, is ClickHouse up, are there enough of them"
		switch {
		case g.Err != nil:
			r.yellow("the text says what is in the way; an operator's grants are in \"vigil topics acl\"", "how far group %s is cannot be seen: %v", g.Name, g.Err)
		case g.Members == 0:
			r.red("start analyzers, and look at what they log about joining the group", "nobody is in group %s: what it reads is left lying", g.Name)
		case g.Lag > lagRed:
			r.red(hint, "group %s is %d records behind", g.Name, g.Lag)
		case g.Lag > lagYellow:
			r.yellow(hint, "group %s is %d records behind", g.Name, g.Lag)
		}
	}
	if len(f.Groups) > 0 {
		r.green("%d groups keep up", len(f.Groups))
	}
}
