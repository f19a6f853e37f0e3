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

// parseNetwork parses a network, and reports whether text is one. It accepts the same
// texts as Python's ip_network(text, strict=False): an address, or an address and a
// prefix length. Bits to the right of the prefix may be set. For IPv4, a netmask or a
// host mask may replace the prefix length.
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

// prefixLength parses a prefix length, which may have leading zeros. It reports whether
// the length is valid.
func prefixLength(text string, maxLength int) (int, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi("0" + strings.TrimLeft(text, "0"))
	return n, err == nil && n <= maxLength
}

// maskLength returns the prefix length of a netmask, such as 255.255.255.0, or of a
// host mask, such as 0.0.0.255. It reports whether the mask is valid.
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

// doubtNetwork describes what is unusual about a network. It returns an empty string
// for a text that is not a network, and for a network in the usual form.
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

// Doubts describes what is unusual about a value that the field accepts, one line for
// each network in it.
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
