package life

// place is what a GeoIP file says about a block of addresses.
type place struct {
	asn      uint32
	org      string
	country  string
	lat, lon float64
	radius   float64 // Kilometres.
	located  bool    // Whether it knows coordinates at all.
	tags     []string
}

// geoFile is one edition of a GeoIP file. Editions differ in few blocks.
type geoFile struct{ edition uint64 }

// Errors of a GeoIP file. Vendors claim the right country for 99.8 % of
// addresses and the right city within 50 km for about two in three.
const (
	noCoordinates = 0.04  // Blocks without coordinates.
	countryOnly   = 0.10  // Blocks at the middle of their country.
	wrongCity     = 0.12  // Blocks in another city of the country.
	wrongCountry  = 0.002 // Blocks in another country.
	changedBlocks = 0.03  // Blocks that a new edition judges anew.
	flippedBlocks = 0.004 // Blocks that an edition, and no other, has in another country.
	soldNetworks  = 0.015 // Networks of a city that get another number with an edition.
)

// locate looks a block up in the current edition.
func (n *internet) locate(w *network, block uint32) place {
	p, ok := n.located[block]
	if !ok {
		p = n.judge(w, block)
		n.located[block] = p
	}
	return p
}

// replaceFile is the day on which a new edition is loaded.
func (n *internet) replaceFile() {
	n.file.edition++
	clear(n.located)
}

// judge is what the edition says; a block keeps its luck until an edition that
// judges it anew.
func (n *internet) judge(w *network, block uint32) place {
	luck := mix(n.seed, uint64(block))
	for e := range n.file.edition {
		if share(mix(luck, e, 7)) < changedBlocks {
			luck = mix(luck, e)
		}
	}
	c := w.city
	if len(w.gateways) > 0 {
		c = w.gateways[w.site(block)]
	}
	p := place{asn: w.asn, org: w.org, country: c.country, lat: c.lat, lon: c.lon, located: true, tags: w.tags}
	p.radius = []float64{5, 10, 20, 20, 50, 100}[mix(luck, 1)%6]
	if w.kind == mobile {
		p.radius = []float64{50, 100, 200, 500}[mix(luck, 1)%4]
	}
	all := n.geo.byCountry[c.country]
	switch x := share(mix(luck, 2)); {
	case x < noCoordinates:
		p.located = false
	case x < noCoordinates+countryOnly:
		p.lat, p.lon = middle(all)
		p.radius = 500
	case x < noCoordinates+countryOnly+wrongCity && (w.kind == residential || w.kind == business):
		c = all[mix(luck, 3)%uint64(len(all))]
		p.lat, p.lon = c.lat, c.lon
	case x > 1-wrongCountry && w.kind != mobile:
		c = &n.geo.cities[mix(luck, 4)%uint64(len(n.geo.cities))]
		p.country, p.lat, p.lon = c.country, c.lat, c.lon
	}
	n.flip(w, block, &p)
	// A suburb is not the city hall.
	p.lat += share(mix(luck, 8))*0.3 - 0.15
	p.lon += share(mix(luck, 9))*0.3 - 0.15
	return p
}

// site is the number of the carrier's site that uses a block.
func (w *network) site(block uint32) int {
	if block&sixBlock != 0 {
		return int(block&0xf) % len(w.gateways)
	}
	return int(block-w.blocks[0]) % len(w.gateways)
}

func middle(all []*city) (lat, lon float64) {
	for _, c := range all {
		lat += c.lat / float64(len(all))
		lon += c.lon / float64(len(all))
	}
	return lat, lon
}

// flip is what makes a new edition notorious: blocks that are suddenly abroad,
// and networks that were sold.
func (n *internet) flip(w *network, block uint32, p *place) {
	for e := range n.file.edition {
		if h := mix(n.seed, uint64(w.asn), hashText(w.city.name), e, 6); share(h) < soldNetworks {
			p.asn, p.org = w.asn+100_000+uint32(e), "Merged Networks"
		}
	}
	h := mix(n.seed, uint64(block), n.file.edition, 11)
	if n.file.edition > 0 && share(h) < flippedBlocks {
		c := &n.geo.cities[h%uint64(len(n.geo.cities))]
		p.country, p.lat, p.lon = c.country, c.lat, c.lon
	}
}
