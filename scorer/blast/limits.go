package blast

const (
	// tenantsMax bounds the tenants that are told apart; the others share one account.
	tenantsMax = 1024
	// endedMax bounds the ended targets that are remembered per tenant and group;
	// beyond it the guard trips.
	endedMax = 100_000
	// groupsMax bounds the groups of one tenant; the others share one account.
	groupsMax = 64
)
