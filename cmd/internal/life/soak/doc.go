// Package soak measures the scorer on generated lives.
package soak
