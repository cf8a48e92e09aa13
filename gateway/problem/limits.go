package problem

// textBytesMax is what a WebSocket close frame has room for behind its code.
const textBytesMax = 123

// challengeItemsMax bounds the scopes and contexts that a challenge names, so
// that a header stays below what every client takes.
const challengeItemsMax = 16
