# SPDX-License-Identifier: MIT
"""Small Keras models, converted to int8 TensorFlow Lite files, for the compiler's tests."""

import numpy as np

SHARED = ("vww_96_int8.tflite", "kws_ref_model.tflite", "pretrainedResnet_quant.tflite")


def _dilated(x, kernel):
    """Keras' own dilated convolution is converted to SPACE_TO_BATCH_ND; this one is not."""
    import tensorflow as tf

    return tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME", dilations=2))


def windows(keras):
    """Odd sizes, SAME and VALID, strides, dilation, multiplier, a group, both kinds of pools."""
    layers = keras.layers
    x = start = layers.Input((15, 13, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu6")(x)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="relu")(x)
    x = layers.Conv2D(12, (3, 2), padding="valid", use_bias=False)(x)
    kernel = np.random.default_rng(2).normal(0, 0.1, (3, 3, 12, 12)).astype(np.float32)
    x = layers.Lambda(lambda t: _dilated(t, kernel), output_shape=(6, 6, 12))(x)
    x = layers.Conv2D(8, 3, padding="same", groups=2)(x)
    x = layers.AveragePooling2D((2, 2), strides=(1, 2), padding="same")(x)
    x = layers.AveragePooling2D((2, 3), strides=1, padding="valid")(x)
    x = layers.DepthwiseConv2D((2, 1), padding="valid")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(9, activation="relu")(x)
    return keras.Model(start, layers.Dense(5, activation="softmax")(x))


def residual(keras):
    """ADD of different scales, concatenation along channels, MEAN, a PAD with two readers."""
    layers = keras.layers
    x = start = layers.Input((10, 12, 3))
    x = layers.ZeroPadding2D(((0, 1), (1, 0)))(x)
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    y = layers.Conv2D(8, 3, padding="same")(x)
    x = layers.ReLU()(layers.Add()([x, y]))
    y = layers.ZeroPadding2D(1)(x)
    a = layers.Conv2D(8, 3)(y)
    b = layers.DepthwiseConv2D(3, activation="relu6")(y)
    x = layers.Concatenate()([layers.Add()([a, x]), b, a])
    x = layers.Conv2D(16, 1, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(start, layers.Dense(7)(x))


def two_exits(keras):
    """An exit with an adapter of its own, then the trunk goes on: a MobileNet in miniature."""
    layers = keras.layers
    x = start = layers.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu6")(x)
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu6")(x)
    x = tap = layers.Conv2D(16, 1, activation="relu6")(x)
    y = layers.Conv2D(24, 1, activation="relu6", name="adapter")(tap)
    first = layers.GlobalAveragePooling2D(name="part")(y)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", activation="relu6")(tap)
    x = layers.Conv2D(32, 1, activation="relu6")(x)
    x = layers.Add()([x, layers.Conv2D(32, 1)(x)])
    last = layers.GlobalAveragePooling2D(name="full", keepdims=True)(x)
    return keras.Model(start, [last, first])


def three_exits(keras):
    """Three exits, the middle one on the trunk, the first with a branch of two layers."""
    layers = keras.layers
    x = start = layers.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    first = layers.Dense(6)(layers.Flatten()(layers.Conv2D(2, 3)(x)))
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Flatten()(x)
    x = middle = layers.Dense(20, activation="relu")(x)
    return keras.Model(start, [first, middle, layers.Dense(3)(x)])


def activations(keras):
    """Activations of their own, a squeeze-and-excitation block, both kinds of global pools."""
    layers = keras.layers
    x = start = layers.Input((12, 10, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="hard_swish")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.LeakyReLU(negative_slope=0.2)(layers.Conv2D(8, 3, padding="same")(x))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(4, 1, activation="relu")(gate)
    gate = layers.Conv2D(8, 1, activation="sigmoid")(gate)
    x = layers.Multiply()([x, gate])
    x = layers.PReLU(shared_axes=[1, 2], alpha_initializer="random_uniform")(layers.Conv2D(8, 1)(x))
    x = layers.Subtract()([x, layers.Conv2D(8, 1, activation="tanh")(x)])
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    x = layers.Activation("swish")(layers.Conv2D(16, 1)(x))
    x = layers.ReLU(max_value=6.0)(layers.Rescaling(0.7, offset=0.1)(x))
    x = layers.Conv2D(16, 1, activation="gelu")(x)
    x = layers.ReLU(max_value=2.5)(layers.Conv2D(16, 1)(x))
    x = layers.Maximum()([x, layers.Conv2D(16, 1)(x)])
    return keras.Model(start, [layers.GlobalMaxPooling2D()(x), layers.Dense(5)(layers.GlobalAveragePooling2D()(x))])


def shapes(keras):
    """Dilated convolutions as Keras writes them, slices, transposes, joins along every axis."""
    layers = keras.layers
    x = start = layers.Input((14, 12, 3))
    x = layers.Conv2D(8, 3, padding="same", dilation_rate=2, activation="relu")(x)
    x = layers.DepthwiseConv2D(3, padding="valid", dilation_rate=2)(x)
    x = layers.Conv2D(8, 3, padding="valid", dilation_rate=(1, 2))(x)
    x = layers.Cropping2D(((1, 0), (0, 1)))(x)
    y = layers.Permute((2, 1, 3))(x)
    y = layers.Conv2D(8, 3, padding="same")(y)
    y = layers.Permute((2, 1, 3))(y)
    x = layers.Concatenate(axis=1)([x, y])
    parts = [layers.Conv2D(2, 1)(x) for _ in range(6)]
    x = layers.Concatenate()(parts)
    x = layers.Conv2D(8, 3, strides=2, padding="same", groups=4, activation="relu")(x)
    x = layers.Concatenate(axis=2)([x, layers.Conv2D(8, 1)(x)])
    x = layers.Reshape((-1, 8))(x)
    x = layers.Conv1D(6, 3, activation="relu")(x)
    return keras.Model(start, layers.Dense(4)(layers.GlobalAveragePooling1D()(x)))


BUILDERS = {f.__name__: f for f in (windows, residual, two_exits, three_exits, activations, shapes)}


def convert(name, io="int8"):
    """The int8 .tflite bytes of a builder's model; `io` is the type of input and outputs."""
    import keras

    keras.utils.set_random_seed(3)
    return convert_model(BUILDERS[name](keras), io)


def convert_model(model, io="int8"):
    """The int8 .tflite bytes of a Keras model, calibrated with noise."""
    import tensorflow as tf

    for weight in model.weights:
        if "bias" in weight.path:
            weight.assign(np.random.default_rng(1).normal(0, 0.3, weight.shape))
    rng = np.random.default_rng(0)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    shape = (1,) + model.input_shape[1:]
    converter.representative_dataset = lambda: ([rng.normal(0, 1, shape).astype(np.float32)] for _ in range(20))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    kind = {"int8": tf.int8, "uint8": tf.uint8, "float32": tf.float32}[io]
    converter.inference_input_type = kind
    converter.inference_output_type = kind
    return converter.convert()


def reference(data):
    """TensorFlow Lite's reference kernels on the bytes of a file, every tensor kept."""
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(
        model_content=data,
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    return interpreter


def run_reference(interpreter, x):
    """{tensor name: values} of every tensor for one input without the batch."""
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x[None])
    interpreter.invoke()
    out = {}
    for detail in interpreter.get_tensor_details():
        try:
            out[detail["name"]] = interpreter.get_tensor(detail["index"])
        except ValueError:
            continue
    return out
