package life

import "math"

// city is where people live, work and travel. Zone is the standard offset from
// UTC in hours; summer time is left out, because a shift of one hour for all is
// less than the spread between people.
type city struct {
	name, country string
	lat, lon      float64
	zone          int
	weight        float64 // Share of the people of the generator, not of mankind.
}

// cities are real places with their coordinates to two digits, about 1 km.
func cities() []city {
	return []city{
		{"Berlin", "DE", 52.52, 13.40, 1, 6},
		{"Munich", "DE", 48.14, 11.58, 1, 4},
		{"Hamburg", "DE", 53.55, 9.99, 1, 3},
		{"Cologne", "DE", 50.94, 6.96, 1, 3},
		{"Frankfurt", "DE", 50.11, 8.68, 1, 3},
		{"Leipzig", "DE", 51.34, 12.37, 1, 1},
		{"Vienna", "AT", 48.21, 16.37, 1, 2},
		{"Graz", "AT", 47.07, 15.44, 1, 1},
		{"Zurich", "CH", 47.37, 8.54, 1, 2},
		{"Geneva", "CH", 46.20, 6.15, 1, 1},
		{"Basel", "CH", 47.56, 7.59, 1, 1},
		{"Paris", "FR", 48.86, 2.35, 1, 5},
		{"Lyon", "FR", 45.76, 4.84, 1, 2},
		{"Toulouse", "FR", 43.60, 1.44, 1, 1},
		{"London", "GB", 51.51, -0.13, 0, 5},
		{"Manchester", "GB", 53.48, -2.24, 0, 2},
		{"Edinburgh", "GB", 55.95, -3.19, 0, 1},
		{"Dublin", "IE", 53.35, -6.26, 0, 1},
		{"Amsterdam", "NL", 52.37, 4.90, 1, 2},
		{"Rotterdam", "NL", 51.92, 4.48, 1, 1},
		{"Brussels", "BE", 50.85, 4.35, 1, 1},
		{"Antwerp", "BE", 51.22, 4.40, 1, 1},
		{"Madrid", "ES", 40.42, -3.70, 1, 2},
		{"Barcelona", "ES", 41.39, 2.17, 1, 2},
		{"Lisbon", "PT", 38.72, -9.14, 0, 1},
		{"Porto", "PT", 41.15, -8.61, 0, 1},
		{"Milan", "IT", 45.46, 9.19, 1, 2},
		{"Rome", "IT", 41.90, 12.50, 1, 2},
		{"Warsaw", "PL", 52.23, 21.01, 1, 2},
		{"Krakow", "PL", 50.06, 19.94, 1, 2},
		{"Prague", "CZ", 50.08, 14.44, 1, 1},
		{"Brno", "CZ", 49.20, 16.61, 1, 1},
		{"Copenhagen", "DK", 55.68, 12.57, 1, 1},
		{"Stockholm", "SE", 59.33, 18.07, 1, 1},
		{"Gothenburg", "SE", 57.71, 11.97, 1, 1},
		{"Oslo", "NO", 59.91, 10.75, 1, 1},
		{"Helsinki", "FI", 60.17, 24.94, 2, 1},
		{"Athens", "GR", 37.98, 23.73, 2, 1},
		{"Bucharest", "RO", 44.43, 26.10, 2, 1},
		{"New York", "US", 40.71, -74.01, -5, 3},
		{"Boston", "US", 42.36, -71.06, -5, 1},
		{"Chicago", "US", 41.88, -87.63, -6, 2},
		{"Austin", "US", 30.27, -97.74, -6, 1},
		{"Denver", "US", 39.74, -104.99, -7, 1},
		{"San Francisco", "US", 37.77, -122.42, -8, 2},
		{"Seattle", "US", 47.61, -122.33, -8, 1},
		{"Toronto", "CA", 43.65, -79.38, -5, 1},
		{"Montreal", "CA", 45.50, -73.57, -5, 1},
		{"Mexico City", "MX", 19.43, -99.13, -6, 1},
		{"Sao Paulo", "BR", -23.55, -46.63, -3, 1},
		{"Rio de Janeiro", "BR", -22.91, -43.17, -3, 1},
		{"Buenos Aires", "AR", -34.60, -58.38, -3, 1},
		{"Bangalore", "IN", 12.97, 77.59, 5, 3},
		{"Mumbai", "IN", 19.08, 72.88, 5, 1},
		{"Pune", "IN", 18.52, 73.86, 5, 1},
		{"Singapore", "SG", 1.35, 103.82, 8, 1},
		{"Tokyo", "JP", 35.68, 139.69, 9, 1},
		{"Osaka", "JP", 34.69, 135.50, 9, 1},
		{"Sydney", "AU", -33.87, 151.21, 10, 1},
		{"Melbourne", "AU", -37.81, 144.96, 10, 1},
		{"Dubai", "AE", 25.20, 55.27, 4, 1},
		{"Istanbul", "TR", 41.01, 28.98, 3, 1},
		{"Kyiv", "UA", 50.45, 30.52, 2, 1},
		{"Nairobi", "KE", -1.29, 36.82, 3, 1},
		{"Lagos", "NG", 6.52, 3.38, 1, 0.3},
		{"Moscow", "RU", 55.76, 37.62, 3, 0.1},
		{"Hanoi", "VN", 21.03, 105.85, 7, 0.3},
		{"Jakarta", "ID", -6.21, 106.85, 7, 0.3},
	}
}

// Speeds and delays of travel.
const (
	jetKMH       = 800.0 // Gate to gate average of an airliner on a long leg.
	climbHours   = 0.6   // Taxi, climb and descent.
	airportHours = 1.8   // Between the last network of the city and the gate, and back.
	trainKMH     = 130.0
)

// kilometres is the great-circle distance (haversine).
func kilometres(a, b *city) float64 {
	const radius, rad = 6371.0, math.Pi / 180
	dLat, dLon := (b.lat-a.lat)*rad/2, (b.lon-a.lon)*rad/2
	s := math.Sin(dLat)*math.Sin(dLat) + math.Cos(a.lat*rad)*math.Cos(b.lat*rad)*math.Sin(dLon)*math.Sin(dLon)
	return 2 * radius * math.Asin(math.Sqrt(min(1, s)))
}

// geography is the cities and what follows from them.
type geography struct {
	cities    []city
	byCountry map[string][]*city
	countries []string // In the order of the list.
}

func newGeography() *geography {
	g := &geography{cities: cities(), byCountry: make(map[string][]*city)}
	for i := range g.cities {
		c := &g.cities[i]
		if g.byCountry[c.country] == nil {
			g.countries = append(g.countries, c.country)
		}
		g.byCountry[c.country] = append(g.byCountry[c.country], c)
	}
	return g
}

// anyCity chooses a city by where the generator's people live.
func (g *geography) anyCity(d dice) *city {
	sum := 0.0
	for i := range g.cities {
		sum += g.cities[i].weight
	}
	x := d.Float64() * sum
	for i := range g.cities {
		x -= g.cities[i].weight
		if x < 0 {
			return &g.cities[i]
		}
	}
	return &g.cities[0]
}

// near chooses another city within km, else nil.
func (g *geography) near(d dice, from *city, least, most float64) *city {
	var found []*city
	for i := range g.cities {
		km := kilometres(from, &g.cities[i])
		if km >= least && km <= most {
			found = append(found, &g.cities[i])
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found[d.IntN(len(found))]
}

// abroad chooses a city of another country.
func (g *geography) abroad(d dice, from *city) *city {
	for {
		c := &g.cities[d.IntN(len(g.cities))]
		if c.country != from.country {
			return c
		}
	}
}
