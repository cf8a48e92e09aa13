package origin

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/oschwald/maxminddb-golang/v2"
)

// database is one file in MaxMind's format, mapped into memory.
type database struct {
	name   string
	reader *maxminddb.Reader
}

// record holds what any of the usual databases says: city and country files,
// ASN files, anonymous-IP files, and the flat files built from RIR data.
type record struct {
	Country struct {
		Code string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
	FlatCountry string `maxminddb:"country_code"`
	Location    struct {
		Latitude  *float64 `maxminddb:"latitude"`
		Longitude *float64 `maxminddb:"longitude"`
		Radius    uint16   `maxminddb:"accuracy_radius"`
	} `maxminddb:"location"`
	ASN         uint32 `maxminddb:"autonomous_system_number"`
	ASOrg       string `maxminddb:"autonomous_system_organization"`
	VPN         bool   `maxminddb:"is_anonymous_vpn"`
	Tor         bool   `maxminddb:"is_tor_exit_node"`
	Proxy       bool   `maxminddb:"is_public_proxy"`
	Residential bool   `maxminddb:"is_residential_proxy"`
	Hosting     bool   `maxminddb:"is_hosting_provider"`
}

func openDatabase(name string) (database, error) {
	r, err := maxminddb.Open(name)
	if err != nil {
		return database{}, fmt.Errorf("open %s: %w", name, err)
	}
	return database{name: name, reader: r}, nil
}

// fill adds to o what the database knows about a and o does not.
func (d database) fill(a netip.Addr, o *Origin) error {
	if a.Is6() && d.reader.Metadata.IPVersion == 4 {
		return nil // A database of IPv4 alone knows nothing about it.
	}
	var rec record
	err := d.reader.Lookup(a).Decode(&rec)
	if err != nil {
		return fmt.Errorf("look up %s: %w", a, err)
	}
	if o.Country == "" {
		o.Country = rec.Country.Code
	}
	if o.Country == "" && len(rec.FlatCountry) == 2 {
		o.Country = rec.FlatCountry
	}
	if !o.HasLocation && rec.Location.Latitude != nil && rec.Location.Longitude != nil {
		o.Latitude, o.Longitude, o.HasLocation = *rec.Location.Latitude, *rec.Location.Longitude, true
		o.AccuracyKM = float64(rec.Location.Radius)
	}
	if o.ASN == 0 {
		o.ASN, o.ASOrg = rec.ASN, rec.ASOrg
	}
	for _, t := range []struct {
		name string
		set  bool
	}{{"vpn", rec.VPN}, {"tor", rec.Tor}, {"relay", rec.Proxy || rec.Residential}, {"hosting", rec.Hosting}} {
		if t.set && !slices.Contains(o.Tags, t.name) {
			o.Tags = append(o.Tags, t.name)
		}
	}
	return nil
}
