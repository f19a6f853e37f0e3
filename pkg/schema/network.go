package schema

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"github.com/conftool/confctl/pkg/value"
)

// parseNetwork returns the network that text denotes, if it is one. It accepts what Python's
// ip_network(text, strict=False) accepts: an address, or an address and a prefix
// length, where bits to the right of the prefix may be set; for IPv4, a netmask
// or a host mask may stand in place of the length.
func parseNetwork(text string) (netip.Prefix, bool) {
	address, mask, hasMask := strings.Cut(text, "/")
	a, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}, false
	}
	a = a.WithZone("")
	length, ok := a.BitLen(), true
	switch {
	case !hasMask:
	case strings.Contains(mask, ".") && a.Is4():
		length, ok = maskLength(mask)
	default:
		length, ok = prefixLength(mask, a.BitLen())
	}
	if !ok {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, length).Masked(), true
}

// prefixLength reads a prefix length, which may have leading zeros.
func prefixLength(text string, most int) (int, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi("0" + strings.TrimLeft(text, "0"))
	return n, err == nil && n <= most
}

// maskLength returns the prefix length of a netmask, such as 255.255.255.0, or
// of a host mask, such as 0.0.0.255.
func maskLength(text string) (int, bool) {
	m, err := netip.ParseAddr(text)
	if err != nil || !m.Is4() {
		return 0, false
	}
	octets := m.As4()
	n := binary.BigEndian.Uint32(octets[:])
	if ones := bits.LeadingZeros32(^n); n<<ones == 0 {
		return ones, true
	}
	zeros := bits.LeadingZeros32(n)
	return zeros, bits.OnesCount32(n) == 32-zeros
}

// doubtNetwork says what is unusual about a network; it is empty for one that is
// written as every reader expects.
func doubtNetwork(text string) string {
	network, ok := parseNetwork(text)
	if !ok {
		return "" // Check refuses it
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return ""
	}
	if p, err := netip.ParsePrefix(text); err == nil && p == network {
		return ""
	}
	address, mask, hasMask := strings.Cut(text, "/")
	a, err := netip.ParseAddr(address)
	var why []string
	if err == nil && a.Zone() != "" {
		why = append(why, "has a zone")
	}
	if hasMask && strings.Contains(mask, ".") {
		why = append(why, "has a mask in place of a prefix length")
	} else if strings.HasPrefix(mask, "0") && mask != "0" {
		why = append(why, "has a prefix length with a leading zero")
	}
	if err == nil && a.WithZone("") != network.Addr() {
		why = append(why, "has bits set to the right of its mask")
	}
	return fmt.Sprintf("%q %s; the network is %s", text, strings.Join(why, " and "), network)
}

// Doubts returns what is unusual about a value that the field accepts.
func (f Field) Doubts(v value.Value) []string {
	if f.Kind != CIDRs || v.Kind() != value.List {
		return nil
	}
	var all []string
	for _, e := range v.Elements() {
		text, _ := e.Str()
		if doubt := doubtNetwork(text); doubt != "" {
			all = append(all, f.Name+": "+doubt)
		}
	}
	return all
}
