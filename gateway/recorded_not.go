//go:build unrecorded

package gateway

const recorded = false
