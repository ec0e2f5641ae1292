/*
 * A stand-in for libnvidia-ml.so.1 that answers from environment variables, read at every call:
 *
 *   NVML_STUB_INIT, NVML_STUB_COUNT   results of nvmlInit and nvmlDeviceGetCount
 *   NVML_STUB_<card>_<READING>        one reading of one card; unset is "not supported"
 *   NVML_STUB_XIDS                    XID errors so far as "<card>:<number>", separated by blanks
 *
 * A number is the value; "error:<number>" makes the call return that NVML error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, ALREADY_INITIALIZED = 5, TIMEOUT = 10,
    MAX_CARDS = 16, MEMORY_TEMPERATURE_FIELD = 82, VALUE_TYPE_UNSIGNED_INT = 1, XID_EVENT = 8,
};

typedef unsigned long long u64;
typedef struct { int index; } Card;
typedef struct { unsigned id, scope; long long timestamp, latency; int type, result; union { unsigned ui; u64 ull; } value; } FieldValue;
typedef struct { char legacy_bus_id[16]; unsigned domain, bus, device, device_id, subsystem_id; char bus_id[32]; } PciInfo;
typedef struct { u64 total, free, used; } Memory;
typedef struct { unsigned version; u64 total, reserved, free, used; } MemoryV2;
typedef struct { Card *device; u64 type, data; unsigned gpu_instance, compute_instance; } Event;

static Card cards[MAX_CARDS];
static int initialized, xids_taken, watched[MAX_CARDS];
static char event_sets[64], *event_set = event_sets;

static int parse(const char *text, u64 *value) {
    if (text == NULL) return NOT_SUPPORTED;
    if (strncmp(text, "error:", 6) == 0) return atoi(text + 6);
    *value = strtoull(text, NULL, 0);
    return SUCCESS;
}

static const char *reading(const Card *card, const char *name) {
    char variable[128];
    snprintf(variable, sizeof variable, "NVML_STUB_%d_%s", card->index, name);
    return getenv(variable);
}

static int read64(const Card *card, const char *name, u64 *value) {
    u64 lost;
    int result = parse(reading(card, "CARD"), &lost);
    if (!initialized) return UNINITIALIZED;
    return result != SUCCESS && result != NOT_SUPPORTED ? result : parse(reading(card, name), value);
}

static int read32(const Card *card, const char *name, unsigned *value) {
    u64 wide = 0;
    int result = read64(card, name, &wide);
    *value = (unsigned)wide;
    return result;
}

static int read_text(const Card *card, const char *name, char *text, unsigned size) {
    u64 ignored;
    int result = read64(card, name, &ignored);
    if (result == SUCCESS) snprintf(text, size, "%s", reading(card, name));
    return result;
}

int nvmlInitWithFlags(unsigned flags) {
    u64 ignored;
    int result = parse(getenv("NVML_STUB_INIT"), &ignored);
    (void)flags;
    if (initialized) return ALREADY_INITIALIZED;
    initialized = result == SUCCESS;
    memset(watched, 0, sizeof watched);
    return result;
}

int nvmlShutdown(void) {
    int result = initialized ? SUCCESS : UNINITIALIZED;
    event_set++; /* Sets from before are void. */
    initialized = 0;
    return result;
}

const char *nvmlErrorString(int result) { return result == 999 ? "Unknown Error" : "An Error"; }

int nvmlSystemGetDriverVersion(char *text, unsigned size) {
    snprintf(text, size, "590.48.01");
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    u64 wide = 0;
    int result = initialized ? parse(getenv("NVML_STUB_COUNT"), &wide) : UNINITIALIZED;
    *count = (unsigned)wide;
    return result;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Card **card) {
    u64 ignored;
    if (index >= MAX_CARDS) return INVALID_ARGUMENT;
    cards[index].index = (int)index;
    *card = &cards[index];
    return read64(*card, "UUID", &ignored);
}

int nvmlDeviceGetUUID(Card *card, char *text, unsigned size) { return read_text(card, "UUID", text, size); }
int nvmlDeviceGetName(Card *card, char *text, unsigned size) { return read_text(card, "NAME", text, size); }

int nvmlDeviceGetPciInfo_v3(Card *card, PciInfo *info) {
    return read_text(card, "BUS_ID", info->bus_id, sizeof info->bus_id);
}

int nvmlDeviceGetClockInfo(Card *card, int kind, unsigned *mhz) {
    return kind == 1 ? read32(card, "SM_CLOCK", mhz) : kind == 2 ? read32(card, "MEM_CLOCK", mhz) : INVALID_ARGUMENT;
}

int nvmlDeviceGetTemperature(Card *card, int sensor, unsigned *celsius) {
    return sensor == 0 ? read32(card, "GPU_TEMP", celsius) : INVALID_ARGUMENT;
}

int nvmlDeviceGetFieldValues(Card *card, int count, FieldValue *values) {
    for (int i = 0; i < count; i++) {
        int known = values[i].id == MEMORY_TEMPERATURE_FIELD;
        values[i].type = VALUE_TYPE_UNSIGNED_INT;
        values[i].result = known ? read32(card, "MEMORY_TEMP", &values[i].value.ui) : NOT_SUPPORTED;
    }
    return SUCCESS;
}

int nvmlDeviceGetPowerUsage(Card *card, unsigned *mw) { return read32(card, "POWER", mw); }
int nvmlDeviceGetTotalEnergyConsumption(Card *card, u64 *mj) { return read64(card, "ENERGY", mj); }
int nvmlDeviceGetPcieReplayCounter(Card *card, unsigned *count) { return read32(card, "PCIE_REPLAYS", count); }

int nvmlDeviceGetPcieThroughput(Card *card, int counter, unsigned *kb) {
    return read32(card, counter == 0 ? "PCIE_TX" : "PCIE_RX", kb);
}

int nvmlDeviceGetUtilizationRates(Card *card, unsigned rates[2]) {
    int result = read32(card, "GPU_UTIL", &rates[0]);
    return result == SUCCESS ? read32(card, "MEM_UTIL", &rates[1]) : result;
}

int nvmlDeviceGetEncoderUtilization(Card *card, unsigned *percent, unsigned *period) {
    *period = 100000;
    return read32(card, "ENC_UTIL", percent);
}

int nvmlDeviceGetDecoderUtilization(Card *card, unsigned *percent, unsigned *period) {
    *period = 100000;
    return read32(card, "DEC_UTIL", percent);
}

int nvmlDeviceGetMemoryInfo(Card *card, Memory *memory) {
    int result = read64(card, "FB_FREE", &memory->free);
    return result == SUCCESS ? read64(card, "FB_USED", &memory->used) : result;
}

#ifndef DRIVER_BEFORE_510
int nvmlDeviceGetMemoryInfo_v2(Card *card, MemoryV2 *memory) {
    int result = read64(card, "FB_FREE", &memory->free);
    if (memory->version != (sizeof(MemoryV2) | 2u << 24)) return INVALID_ARGUMENT;
    if (result == SUCCESS) result = read64(card, "FB_USED", &memory->used);
    return result == SUCCESS ? read64(card, "FB_RESERVED", &memory->reserved) : result;
}
#endif

int nvmlDeviceGetTotalEccErrors(Card *card, int error_type, int counter_type, u64 *count) {
    static const char *names[2][2] = {{"ECC_SBE_VOL", "ECC_SBE_AGG"}, {"ECC_DBE_VOL", "ECC_DBE_AGG"}};
    return read64(card, names[error_type & 1][counter_type & 1], count);
}

int nvmlDeviceGetRemappedRows(Card *card, unsigned *correctable, unsigned *uncorrectable, unsigned *pending,
                              unsigned *failure) {
    int result = read32(card, "ROWS_CORRECTABLE", correctable);
    *pending = 1;
    if (result == SUCCESS) result = read32(card, "ROWS_UNCORRECTABLE", uncorrectable);
    return result == SUCCESS ? read32(card, "ROWS_FAILURE", failure) : result;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(Card *card, u64 *mask) { return read64(card, "REASONS", mask); }
int nvmlDeviceGetSupportedClocksThrottleReasons(Card *card, u64 *mask) { return read64(card, "REASONS_SUPPORTED", mask); }

int nvmlEventSetCreate(void **set) {
    *set = ++event_set;
    return initialized ? SUCCESS : UNINITIALIZED;
}

int nvmlDeviceRegisterEvents(Card *card, u64 types, void *set) {
    u64 ignored;
    int result = read64(card, "XID_EVENTS", &ignored);
    if (set != event_set || types != XID_EVENT) return INVALID_ARGUMENT;
    if (result == SUCCESS) watched[card->index] = 1;
    return result;
}

int nvmlEventSetWait_v2(void *set, Event *event, unsigned timeout_ms) {
    const char *text = getenv("NVML_STUB_XIDS");
    int card, xid, length;
    if (set != event_set || timeout_ms != 0) return INVALID_ARGUMENT;
    if (text == NULL) return TIMEOUT;
    for (int skipped = 0; sscanf(text, " %d:%d%n", &card, &xid, &length) == 2; skipped++, text += length) {
        if (skipped < xids_taken) continue;
        xids_taken++;
        if (!watched[card]) continue;
        event->device = &cards[card];
        event->type = XID_EVENT;
        event->data = (u64)xid;
        return SUCCESS;
    }
    return TIMEOUT;
}
