package web

import (
	"github.com/prometheus/client_golang/prometheus"

	"framehub/operators"
)

// AdminRoutes returns the patterns of the table that the admin listener answers by,
// and what each needs.
func AdminRoutes() map[string]operators.Role {
	table := map[string]operators.Role{}
	for _, r := range (Options{}).withDefaults().routes(nil, prometheus.NewRegistry(), prometheus.NewRegistry()) {
		table[r.pattern] = r.needs
	}
	return table
}
