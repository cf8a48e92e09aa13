package origin

// Limits of a resolver.
const (
	// NetworksMax bounds the static table, which is searched linearly.
	NetworksMax = 4096
	// TrustedMax bounds the list of trusted proxies.
	TrustedMax = 1024
	// DatabasesMax bounds the list of databases: city, ASN, anonymous and a spare.
	DatabasesMax = 8
	// HopsMax bounds how many hops of a forwarding header are read; real chains
	// have two or three.
	HopsMax = 32
	// CacheEntries bounds how many forwarded addresses are remembered, about
	// 250 B each.
	CacheEntries = 1 << 16
	// TagsMax bounds the tags of one network.
	TagsMax = 16
)
