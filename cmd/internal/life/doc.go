// Package life makes the requests of people, robots and attackers: a history of
// events in the order of time, as gateways would have reported it, to measure
// the scorer with.
//
//	places ─► internet (lines, GeoIP file) ─┐
//	tenants (application, offices, storms) ─┼─► day ─► errand ─► visit ─► records ─► agenda ─► Next
//	people (role, taste, devices, stays) ───┘      robots, visitors, attacks ──┘
//
// # Contract
//
// Everything follows from the seed, on one architecture; nothing reads a clock.
// [World.Next] writes one event after the other into the caller's, and gives
// its label beside it: nothing in an event tells an attack. Attackers take
// numbers from streams of their own, so they change nothing about the life of
// anybody whom they leave alone. A history is never held in memory: an actor's
// next visit is made when it begins.
//
// The package imports nothing of the scorer and is fixed before thresholds are
// fitted. Whoever changes an assumption below measures again before he changes
// a threshold, and never the other way round.
//
// # Concurrency
//
// A [World] belongs to one goroutine.
//
// # Assumptions
//
// Where there was a choice it fell on the harder life: on one working day in ten
// a session changes its network within a minute, and on one in forty a person
// shows a country for the first time. Each assumption says why. A paper is named
// for the effect, not for the number: the numbers are ours, and round.
//
// Networks:
//   - A provider of homes has one ASN in a country and blocks of /24 in each
//     city; so a move within a country may keep the ASN and an ASN says no city.
//   - Home addresses change after a lease of 1, 9 or 40 days by provider: some
//     renumber daily, others hardly ever (Padmanabhan et al., IMC 2016).
//   - 15 % of homes are behind carrier-grade NAT with six addresses; carriers of
//     phones always are, with 240 addresses a country that change every 3 to 27
//     minutes (Richter et al., IMC 2016; Balakrishnan et al., IMC 2009).
//   - Carriers' addresses are believed to be in one to three cities of the
//     country, within 50 to 500 km; a phone goes through the site that is next to
//     where its owner lives, and now and then through another one.
//   - Six in ten providers speak IPv6; a device keeps its prefix as long as four
//     leases and has a new interface id each day (RFC 8981); one connection in
//     fourteen goes by IPv4 all the same (RFC 8305).
//   - A GeoIP file lacks coordinates for 4 % of blocks, has 10 % at the middle of
//     the country, 12 % in another city and 0.2 % in another country; radii are
//     5 to 500 km. A new edition every nine days judges 3 % of blocks anew, has
//     0.4 % abroad until the next one, and renumbers 1.5 % of a city's networks.
//   - Consumer VPNs have twelve exits; every fifth is on no list. Company VPNs
//     leave at the head office. Either may be switched on in the middle of a visit.
//   - A phone abroad keeps the address of its home country three times in four,
//     because packets are sent home first (Mandalari et al., MobiCom 2018).
//   - Aeroplane Wi-Fi is in the country of its operator.
//
// People:
//   - Thirteen roles; each has its pages, minutes a day, share of phone, office
//     and travel. A person has 3 to 6 kinds of thing he works with, and tastes
//     that are log-normal around those of the role.
//   - A working day begins at a personal hour, with one to four visits and, for
//     who uses a phone, one on the way and one in the evening; one weekend day in
//     eight is worked. Night shifts last a week; who is on call is called at any
//     hour. Times follow the local clock, without summer time.
//   - Between two clicks passes a log-normal time, median 6 to 16 s by role and
//     sigma 1: most pauses are short, and some are a coffee.
//   - Answers are log-normal by path; one export in twelve is the whole table,
//     with a Pareto tail of index 1.3 from 8 MiB (Crovella and Bestavros, 1997).
//   - Flights take distance at 800 km/h, 0.6 h for climb and descent and 1.8 h at
//     either airport; below 500 km it is a train at 130 km/h with a phone in it.
//     Marathon travellers go on from city to city for a week.
//   - Within a history of a month, one person in eight is away for one to two weeks, 3 % get
//     another phone, 4 % try another browser, 6 % are new, 2 % change their role.
//   - Every seventh phone uses Wi-Fi and the mobile network at once.
//   - Three in ten who need no office live elsewhere, most of them within 1,200 km
//     of it, 15 % of them anywhere.
//   - Apps on phones fetch what is new up to three times a day, at any hour.
//   - Four apps in ten hand over to the browser now and then, and four developers
//     in ten paste their token into a command line: one session, two programs, one
//     network.
//   - Browsers follow trains of four weeks, which reach a device after some days,
//     and one machine in twelve after weeks; user agents are frozen as browsers
//     do it, so a release changes one number for everybody.
//   - Support works through a queue: ids that rise with gaps, because colleagues
//     take the ones between. One list in fifty is opened from above, item by item.
//   - A search box asks at each pause between two keys.
//   - A password is wrong 1 to 15 % of the time by person; one sign-in in 250 is a
//     password manager with an old one, up to a dozen times within seconds.
//   - Tokens live 5 minutes to 8 hours by tenant; a tab that slept asks with the
//     old one first. Where tokens name no session, each is a session of its own.
//   - Two tenants of six report what happens to sessions: sign-ins, each fresh
//     token, and sign-outs, with which one visit in ten ends; three in ten of those
//     that end while another window of the session is at work. There up to three
//     clicks are refused and streams are cut, then its person signs in again.
//   - In a third of the other sign-outs a window stays open, or the second program,
//     and asks again after a log-normal time, median 10 min and at most 10 h, at home
//     or in a café by then; one in five asks on and on, and six in ten people sign in
//     there. All of it is refused, as a gateway does it: browsers have lost the
//     cookie with the sign-out and show none, programs show the dead token.
//
// Storms, by tenant: a broken deploy every nine days, a key rotation, a failover
// of an office's provider and a directory that refuses right passwords every
// three to five weeks, new paths each fortnight, one new browser for half of a
// company; at the end of a month accountants and analysts work 2.5 times as long.
//
// Robots are 3 % of the subjects and agents 2 %. A third of the services without
// a certificate show an API key, one session that never ends; the others fetch
// tokens. Builds run on machines of one cloud in several places, several at a
// time; probes look from four clouds in turn; the nightly batch reads id after
// id; agents work in chains of quick calls. Visitors without a name read public
// pages, and crawlers read them all.
//
// Attackers begin within an ordinary visit of their victim, with the owner at
// work or gone, and not while he travels or uses a VPN: then nobody could say
// who is where, and the table would measure luck. Their victims have bearer
// tokens, but for one kind of attack: who steals a bound token has no key. An event is suspicious from
// where a person who sees all events would say so: at once for another person
// with the token, at the fifth id of a walk, at the third large download or
// refused account. Thieves take two or three seconds between clicks.
//
// Who has a password signs in himself, with a browser that says it is the owner's and
// without its cookie. One reads along for two days; a gang is after the people of one
// company within three days, from one host with machines in every country, where six
// passwords that were changed since are tried, an hour before, for each that is right.
//
// # Non-obvious
//
// A visit's records are made at once, when it begins, and sorted; so a stream's
// ticks and the clicks beside it need no clock of their own. The one price is
// that a token may be a few minutes younger than the request that shows it
// where a person uses one device in two visits at the same time.
//
// Not modelled: a gateway's restart, lost events and clock errors, summer time,
// more than one tenant per person, languages, and what requests carry.
package life
