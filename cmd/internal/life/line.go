package life

import "time"

// sixBlock marks the number of a network of IPv6 among those of /24 blocks.
const sixBlock = 1 << 31

// line is where a device is plugged in: a home, an office, a phone's carrier, a
// hotel. Its address changes by the rules of its network.
type line struct {
	net  *network
	seed uint64
	// egress is the number of addresses that many customers share (an office, a
	// hotel or carrier-grade NAT); 0 for an address of one's own.
	egress int
	// six says that the line speaks IPv6 and prefers it.
	six bool
	// fixed addresses have no lease.
	fixed bool
	// gateway is the carrier's site through which a phone goes, mostly.
	gateway int
}

// access is what an event shows of where it came from.
type access struct {
	address string
	place
}

// at is the line's access at a time, UnixNano. conn tells connections apart
// that may leave by different addresses.
func (l *line) at(n *internet, now int64, conn uint64) access {
	period := l.net.lease
	if l.net.kind == mobile {
		period = l.net.churn
	}
	lease := uint64(0)
	if !l.fixed && period > 0 {
		phase := int64(mix(l.seed, 3) % uint64(period))
		lease = uint64((now + phase) / int64(period))
	}
	if l.six && l.net.six != 0 && share(mix(l.seed, conn, 4)) < 0.93 { // Else the older protocol won the race (RFC 8305).
		day := uint64(now / int64(24*time.Hour))
		customer := uint16(mix(l.seed, lease/4))
		a := access{address: sixth(l.net.six, customer, mix(l.seed, day, 1))}
		a.place = n.locate(l.net, sixBlock|l.net.six<<8|uint32(customer>>12)<<4|uint32(l.gateway))
		return a
	}
	h := mix(l.seed, lease)
	switch {
	case l.net.kind == mobile:
		// A carrier's customers share few addresses, and which one is theirs
		// changes all the time, mostly within a block; now and then another site
		// takes over.
		site := l.gateway
		if share(mix(l.seed, lease/12, 5)) < 0.03 {
			site++
		}
		sites := len(l.net.gateways)
		k := site%sites + sites*int(mix(l.seed, lease/3)%uint64(len(l.net.blocks)/sites))
		block := l.net.blocks[k]
		return access{four(block, byte(1+h%40)), n.locate(l.net, block)}
	case l.egress > 0:
		k := mix(l.seed, conn) % uint64(l.egress)
		block := l.net.blocks[mix(l.seed, 2)%uint64(len(l.net.blocks))]
		return access{four(block, byte(10+k)), n.locate(l.net, block)}
	}
	block := l.net.blocks[h%uint64(len(l.net.blocks))]
	return access{four(block, byte(1+(h>>32)%250)), n.locate(l.net, block)}
}

// homeLine makes a home in a city.
func (n *internet) homeLine(d dice, c *city) *line {
	of := n.homes[c]
	l := &line{net: of[d.pick([]float64{5, 3, 2})], seed: d.Uint64()}
	l.six = l.net.six != 0 && d.chance(0.75)
	if d.chance(0.15) {
		l.egress = 6 // Carrier-grade NAT.
	}
	return l
}

// carrierLine makes a phone contract of somebody who lives in a city.
func (n *internet) carrierLine(d dice, c *city) *line {
	of := n.carriers[c.country]
	l := &line{net: of[d.IntN(len(of))], seed: d.Uint64()}
	l.six = l.net.six != 0 && d.chance(0.8)
	for i, g := range l.net.gateways {
		if kilometres(c, g) < kilometres(c, l.net.gateways[l.gateway]) {
			l.gateway = i
		}
	}
	return l
}

// guestLine is a hotel's or a café's Wi-Fi for one stay.
func guestLine(net *network, seed uint64) *line {
	return &line{net: net, seed: seed, egress: 2, fixed: true}
}
