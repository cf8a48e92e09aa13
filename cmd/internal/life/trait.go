package life

import "math/bits"

// Trait is a set of circumstances under which an event was made: of its actor,
// of the day, of the visit. A segment of the soak is the subject-days that have
// one of them.
type Trait uint64

// The traits. Those of the actor hold for all of his events, the others for
// those of the visit or the day.
const (
	Clerk Trait = 1 << iota
	Support
	Sales
	Field
	Analyst
	Accountant
	Manager
	Developer
	Administrator
	Warehouse
	NightShift
	Executive
	OnCall
	RemoteWorker
	CityCommuter
	MarathonTraveller
	DualHomed
	CarrierNAT
	IPv6Home
	ConsumerVPN
	NewEmployee
	RoleChange
	BackFromVacation
	Travelling
	CompanyVPN
	HotelOrCafe
	Roaming
	NewPhone
	NewBrowser
	MobileChurn
	TwoClients
	Background
	RetryStorm
	ExpiredStorm
	BulkExport
	IDWork
	Weekend
	MonthEnd
	BrokenDeploy
	AppRelease
	GeoIPChange
	OfficeFailover
	BrowserSwap
	BeaconRobot
	BatchRobot
	CIRobot
	ProbeRobot
	AssistantAgent
	OfficeNAT
	Visitor
	Crawler
	SecondWindow
	traitCount = iota
)

// String names one trait; a set is named by its lowest.
func (t Trait) String() string {
	names := [traitCount]string{
		"clerk", "support", "sales", "field", "analyst", "accountant", "manager", "developer", "administrator", "warehouse (shared kiosk)",
		"night shift", "executive", "on call", "remote worker", "commuter between cities", "marathon traveller", "dual-homed phone",
		"carrier-grade NAT", "IPv6 home", "consumer VPN", "new employee", "role change", "back from vacation", "travelling", "company VPN",
		"hotel or café", "roaming", "new phone", "new browser", "mobile network", "two clients of a session", "background refresh", "password retries", "expired-token storm", "bulk export",
		"work through ids", "weekend", "month end", "broken deploy", "app release", "GeoIP change", "office failover", "browser swap",
		"beacon robot", "batch robot", "CI robot", "probe robot", "assistant agent", "office NAT", "visitor", "crawler", "second window",
	}
	if t == 0 {
		return "none"
	}
	return names[bits.TrailingZeros64(uint64(t))]
}

// Traits lists all traits in their order.
func Traits() []Trait {
	all := make([]Trait, traitCount)
	for i := range all {
		all[i] = 1 << i
	}
	return all
}
