// SPDX-License-Identifier: MIT
//
// The engine: runs a frozen int8 network from a .mtb file, stopping at an early exit and resuming
// from there. Plain C99: no allocation, no globals, no operating system, no MicroPython.
//
// Three structs: microt_model_t is the decoded view of a file (constant after microt_open),
// microt_exit_t one place where an embedding is taken, microt_run_t where a run stands.
// The file and the arena stay the caller's; both must outlive what is made from them.
//
//     microt_model_t model;
//     microt_run_t run;
//     char error[MICROT_ERROR_SIZE];
//     if (microt_open(&model, file, size, error, sizeof(error)) != 0) { ... }
//     memcpy(arena + microt_tensor(&model, model.input).offset, pixels, ...);
//     microt_run(&model, &run, arena, 0);
//     ... the embedding is at arena + model.exits[0].tensor.offset ...
//     microt_resume(&model, &run);
//
// The file's format is described at the top of mtb.c.

#ifndef MICROT_ENGINE_H
#define MICROT_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MICROT_VERSION "0.1.0"

#define MICROT_MAX_EXITS (8)
#define MICROT_MAX_TENSORS (1024)
#define MICROT_MAX_OPS (1024)
#define MICROT_MAX_INPUTS (4)
#define MICROT_ARENA_ALIGN (16)
#define MICROT_ERROR_SIZE (160)

#define MICROT_TRUNK (0xFFFF)

// Operators; the numbers are the file's.
enum {
    MICROT_CONV_2D = 1,
    MICROT_DEPTHWISE_CONV_2D = 2,
    MICROT_FULLY_CONNECTED = 3,
    MICROT_ADD = 4,
    MICROT_PAD = 5,
    MICROT_AVERAGE_POOL_2D = 6,
    MICROT_MEAN = 7,
    MICROT_RESHAPE = 8,
    MICROT_SOFTMAX = 9,
    MICROT_CONCATENATION = 10,
    MICROT_MAX_POOL_2D = 11,
    MICROT_LOOKUP = 12,
    MICROT_ARITHMETIC = 13,
    MICROT_STRIDED_COPY = 14,
    MICROT_OPCODES // one past the last
};

// Kinds of MICROT_ARITHMETIC, the file's numbers.
enum {
    MICROT_KIND_ADD = 0,
    MICROT_KIND_SUB = 1,
    MICROT_KIND_MUL = 2,
    MICROT_KIND_PRELU = 3,
    MICROT_KIND_MINIMUM = 4,
    MICROT_KIND_MAXIMUM = 5,
};

// Front ends, and what a channel of MICROT_AXES is; the file's numbers.
enum {
    MICROT_MEL = 1,
    MICROT_AXES = 2,
};
enum {
    MICROT_SAMPLE = 0,
    MICROT_LESS_MEAN = 1,
    MICROT_CHANGE = 2,
};

// An activation tensor, int8, (h, w, c) with c fastest; real value = scale * (q - zero_point).
typedef struct _microt_tensor_t {
    uint32_t offset; // in the arena, a multiple of 16
    int32_t h, w, c; // a vector is (1, 1, n)
    float scale;
    int32_t zero_point;
} microt_tensor_t;

// How a stored embedding becomes the vector a head sees; all pointers into the file, unaligned.
typedef struct _microt_feature_t {
    uint32_t parts; // 0: this exit has no feature transform
    bool square_root;
    uint32_t d; // length of the feature vector
    uint32_t k; // rows of the projection, 0: none
    const uint8_t *part; // u16[parts][4] {exit, start, length, 0}
    const uint8_t *mean; // f32[d]
    const int8_t *projection; // i8[k][d]
    const uint8_t *row_scale; // f32[k]
    float shrink; // default share of the identity in the head's covariance
    float prior_trace; // expected trace of the within-class scatter in the projected space
} microt_feature_t;

// An exit: a place where an embedding is taken.
typedef struct _microt_exit_t {
    microt_tensor_t tensor; // the embedding, (1, 1, n); stays in the arena to the end of the run
    uint16_t tensor_index;
    uint16_t end; // index one past the last op that this exit needs
    uint32_t macs; // multiply-accumulates from the input to here, other exits' branches excluded
    microt_feature_t feature;
} microt_exit_t;

// What makes the input from a window of int16 samples.
typedef struct _microt_front_end_t {
    uint16_t kind; // 0: there is none
    uint16_t rate; // samples a second, of each axis
    uint32_t samples; // of a window, all axes together
    const uint8_t *record; // u8[64]
} microt_front_end_t;

// The decoded view of a file. Everything in it has been checked: the run code trusts it.
typedef struct _microt_model_t {
    const uint8_t *file;
    uint32_t size;
    const uint8_t *sha256; // u8[32]
    uint16_t target; // 0 generic, 1 m0, 2 dsp, 3 mve
    uint16_t input; // index of the input tensor
    uint32_t arena_size; // bytes, scratch included
    uint16_t tensor_count;
    uint16_t op_count;
    uint16_t exit_count;
    const uint8_t *tensors; // u8[tensor_count][32]
    const uint8_t *ops; // u8[op_count][64]
    const int8_t *pixel_table; // i8[256]: uint8 pixel -> input value; NULL: none
    microt_front_end_t front_end;
    const char *strings;
    uint32_t strings_size;
    microt_exit_t exits[MICROT_MAX_EXITS];
} microt_model_t;

// Where a run stands. microt_run and microt_begin set it, nothing in it needs initialising.
typedef struct _microt_run_t {
    uint8_t *arena; // model->arena_size bytes at a multiple of 16
    uint16_t exit; // the exit last asked for
    uint16_t next; // the op that runs next
    uint16_t done; // bit e: the embedding of exit e is in the arena
} microt_run_t;

// Decodes a file and checks everything in it. The file may lie at any address and is used in
// place. Returns 0, or -1 with a sentence in error (NUL-terminated, cut to error_size).
int microt_open(microt_model_t *model, const uint8_t *file, size_t size,
    char *error, size_t error_size);

// Names of the kernels in this build, "reference" last; NULL where there are no more. The first that
// has one for an op runs it.
const char *microt_kernels(unsigned index);

// Makes the input in the arena from a window of model->front_end.samples int16 values, little-endian
// and at any address; nothing without a front end. What the arena held is lost.
void microt_front_end(const microt_model_t *model, uint8_t *arena, const uint8_t *samples);

// Runs from the input, which the caller has put into the arena, to an exit. Returns 0, or -1
// when the model has no such exit.
int microt_run(const microt_model_t *model, microt_run_t *run, uint8_t *arena, unsigned exit);

// Goes on to the next exit; no op of the trunk runs twice. Returns 0, or -1 when the run
// already stands at the last exit.
int microt_resume(const microt_model_t *model, microt_run_t *run);

// Op by op, for tests and profiles: begin as microt_run does, then step until the exit is
// reached. microt_step returns the index of the op it ran, or -1 when the exit is reached.
int microt_begin(const microt_model_t *model, microt_run_t *run, uint8_t *arena, unsigned exit);
int microt_begin_resume(const microt_model_t *model, microt_run_t *run);
int microt_step(const microt_model_t *model, microt_run_t *run);

// Views of the file's records; index must be within the counts of the model.
microt_tensor_t microt_tensor(const microt_model_t *model, unsigned index);
const char *microt_tensor_name(const microt_model_t *model, unsigned index);
const char *microt_op_name(const microt_model_t *model, unsigned index);
unsigned microt_op_code(const microt_model_t *model, unsigned index);
unsigned microt_op_output(const microt_model_t *model, unsigned index);
uint32_t microt_op_macs(const microt_model_t *model, unsigned index);

// Length of the concatenated embeddings of exits 0..exit: what microt_feature reads.
uint32_t microt_embeddings_size(const microt_model_t *model, unsigned exit);

// The feature vector of an exit: embeddings i8[microt_embeddings_size] -> z f32[d].
// Returns 0, or -1 when the exit has no feature transform.
int microt_feature(const microt_model_t *model, unsigned exit, const int8_t *embeddings, float *z);

// The projection: z f32[d] -> u f32[k], u[i] = row_scale[i] * sum_j projection[i][j] * z[j].
// Returns 0, or -1 when the exit has none. microt_project_back is its transpose:
// z[j] = sum_i projection[i][j] * (row_scale[i] * u[i]).
int microt_project(const microt_model_t *model, unsigned exit, const float *z, float *u);
int microt_project_back(const microt_model_t *model, unsigned exit, const float *u, float *z);

// Loads from any address. The format is little-endian and so are all our targets.
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error the engine reads .mtb files in place and needs a little-endian machine
#endif

static inline uint16_t microt_u16(const uint8_t *p) {
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint32_t microt_u32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline int32_t microt_i32(const uint8_t *p) {
    int32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline float microt_f32(const uint8_t *p) {
    float v;
    memcpy(&v, p, sizeof(v));
    return v;
}

#endif // MICROT_ENGINE_H
