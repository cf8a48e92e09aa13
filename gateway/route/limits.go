package route

// Limits of a table and of one look-up.
const (
	// RoutesMax bounds a table: a large estate has some hundred routes.
	RoutesMax = 4096
	// PathBytesMax bounds a request's path before normalisation; browsers and
	// proxies agree on about 8 KiB for the whole request line.
	PathBytesMax = 8 << 10
	// SegmentsMax bounds the segments of a path and of a template, and so the
	// depth of the search.
	SegmentsMax = 128
	// AccountBytesMax bounds a login name that was tried: longer than any mail
	// address (RFC 5321 allows 254).
	AccountBytesMax = 256
	// SignInBodyBytesMax bounds a sign-in's request body: what lies behind it
	// could name another account. Login forms are below 1 KiB.
	SignInBodyBytesMax = 16 << 10
)
