using System.Buffers;
using System.IO.Compression;

namespace OmniPg;

/// <summary>One compression format: how its files are recognised, written and read.</summary>
/// <remarks>
/// Codecs are stateless and thread safe; the streams they make are not. Streams allocate nothing per buffer, check the format's own checksum where
/// it has one, accept several frames (members) one after the other and report truncated or trailing bytes as
/// <see cref="CorruptCompressedDataException"/>. Stands for the <c>gzip=</c>, <c>bzip2=</c>, <c>lzma=</c>, <c>lz4=</c> and <c>xz=</c> prefixes of
/// OmniPITR, with <c>zstd=</c> and <c>brotli=</c> added.
/// </remarks>
public abstract class Codec
{
    private protected Codec(string name, string extension, int minLevel, int maxLevel, int defaultLevel)
    {
        Name = name;
        Extension = extension;
        MinLevel = minLevel;
        MaxLevel = maxLevel;
        DefaultLevel = defaultLevel;
    }

    /// <summary>Bytes pass unchanged; no extension. Name <c>none</c>.</summary>
    public static Codec None { get; } = new NoneCodec();

    /// <summary>RFC 1952 by the base class library; levels 0–9, default 6. Name <c>gzip</c>, extension <c>.gz</c>.</summary>
    public static Codec Gzip { get; } = new GzipCodec();

    /// <summary>RFC 7932 by the base class library; levels 0–11, default 1. Name <c>brotli</c>, extension <c>.br</c>. Has neither magic nor checksum.</summary>
    public static Codec Brotli { get; } = new BrotliCodec();

    /// <summary>Zstandard by the system's libzstd, else by its port to C#, with content checksum; levels −7–22, default 0. Name <c>zstd</c>, extension <c>.zst</c>.</summary>
    /// <remarks>
    /// Level 0 is none of the library's: it is a setting made for write-ahead log (<c>zstd:wal</c> in locations; strategy fast, windowLog 21, hashLog 15, minMatch 5), for half to three quarters of the time
    /// of level 3 at files of its size. Every zstd reads what it writes.
    /// </remarks>
    public static Codec Zstd { get; } = new ZstdCodec();

    /// <summary>LZ4 frames by K4os.Compression.LZ4 with content checksum; levels 0–12, default 0. Name <c>lz4</c>, extension <c>.lz4</c>.</summary>
    public static Codec Lz4 { get; } = new Lz4Codec();

    /// <summary>By the program <c>bzip2</c>; levels 1–9, default 9. Name <c>bzip2</c>, extension <c>.bz2</c>. For archives that exist already.</summary>
    public static Codec Bzip2 { get; } = new ProgramCodec("bzip2", ".bz2", 1, 9, [0x42, 0x5A, 0x68], static () => CodecPrograms.Bzip2, [], "bzip2");

    /// <summary>By the program <c>xz</c>; levels 0–9, default 6. Name <c>xz</c>, extension <c>.xz</c>. For archives that exist already.</summary>
    public static Codec Xz { get; } = new ProgramCodec("xz", ".xz", 0, 6, [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], static () => CodecPrograms.Xz, ["--format=xz"], "xz-utils");

    /// <summary>The older format of the program <c>xz</c>; levels 0–9, default 6. Name <c>lzma</c>, extension <c>.lzma</c>. Has no usable magic.</summary>
    public static Codec Lzma { get; } = new ProgramCodec("lzma", ".lzma", 0, 6, [], static () => CodecPrograms.Lzma, ["--format=lzma"], "xz-utils");

    /// <summary>Every codec, in the order in which <see cref="Detect"/> asks them.</summary>
    public static IReadOnlyList<Codec> All { get; } = [None, Zstd, Lz4, Gzip, Brotli, Bzip2, Xz, Lzma];

    /// <summary>Lower-case name as it stands in a location prefix such as <c>zstd:3=/mnt/archive</c>.</summary>
    public string Name { get; }

    /// <summary>File name extension with its dot, or an empty text for <see cref="None"/>.</summary>
    public string Extension { get; }

    /// <summary>Lowest level that <see cref="Compress"/> takes.</summary>
    public int MinLevel { get; }

    /// <summary>Highest level that <see cref="Compress"/> takes.</summary>
    public int MaxLevel { get; }

    /// <summary>Level used when none is given; chosen for archiving write-ahead log as fast as it is written.</summary>
    public int DefaultLevel { get; }

    /// <summary>Finds a codec by its <see cref="Name"/>, upper and lower case alike.</summary>
    /// <param name="name">Such as <c>zstd</c>.</param>
    /// <exception cref="ArgumentException">There is no codec of that name; the message lists those there are.</exception>
    public static Codec Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        foreach (var codec in All)
            if (string.Equals(codec.Name, name, StringComparison.OrdinalIgnoreCase))
                return codec;
        throw new ArgumentException($"Codec '{name}' is unknown. Known are {string.Join(", ", All.Select(c => $"'{c.Name}'"))}.", nameof(name));
    }

    /// <summary>Finds a codec by the extension at the end of a file name.</summary>
    /// <param name="fileName">A file name or path.</param>
    /// <returns>The codec, or <see langword="null"/> when the name ends in no codec's extension (the file may be plain).</returns>
    public static Codec? ForExtension(string fileName)
    {
        ArgumentNullException.ThrowIfNull(fileName);
        foreach (var codec in All)
            if (codec.Extension.Length > 0 && fileName.EndsWith(codec.Extension, StringComparison.OrdinalIgnoreCase))
                return codec;
        return null;
    }

    /// <summary>Recognises a codec by a file's first bytes.</summary>
    /// <param name="magic">The first bytes, 18 are always enough; fewer are compared as far as they go.</param>
    /// <returns>The codec, or <see langword="null"/> when no codec claims them. Brotli has no magic and is never found this way.</returns>
    public static Codec? Detect(ReadOnlySpan<byte> magic)
    {
        foreach (var codec in All)
            if (codec.Matches(magic))
                return codec;
        return null;
    }

    /// <summary>Says whether this machine can run the codec.</summary>
    /// <param name="reason">What is missing and which package brings it; <see langword="null"/> when the codec is available.</param>
    public virtual bool IsAvailable(out string? reason)
    {
        reason = null;
        return true;
    }

    /// <summary>Opens a stream that compresses what is written to it. Disposing it ends the last frame.</summary>
    /// <param name="sink">Takes the compressed bytes.</param>
    /// <param name="level">Between <see cref="MinLevel"/> and <see cref="MaxLevel"/>; <see langword="null"/> means <see cref="DefaultLevel"/>.</param>
    /// <param name="leaveOpen">Whether <paramref name="sink"/> stays open when the stream is disposed.</param>
    /// <exception cref="ArgumentOutOfRangeException">The level is outside the codec's range.</exception>
    /// <exception cref="CodecUnavailableException">The program is missing.</exception>
    public Stream Compress(Stream sink, int? level = null, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(sink);
        return OpenCompress(sink, CheckLevel(level), leaveOpen);
    }

    /// <summary>Compresses content that lies in memory as a whole, in one call and into one frame: for the codecs that can, less work than a stream.</summary>
    /// <param name="content">The content.</param>
    /// <param name="target">Takes the compressed bytes; <see cref="MaxCompressedBytes"/> of room are always enough.</param>
    /// <param name="level">As for streams.</param>
    /// <returns>Bytes written into <paramref name="target"/>.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The level is outside the codec's range.</exception>
    /// <exception cref="NotSupportedException">The codec only streams.</exception>
    public int CompressWhole(ReadOnlySpan<byte> content, Span<byte> target, int? level = null) => CompressAtOnce(content, target, CheckLevel(level));

    /// <summary>Room that is enough for <see cref="CompressWhole"/>.</summary>
    /// <param name="contentBytes">Size of the content.</param>
    /// <returns>Bytes, or <see langword="null"/> for a codec that only streams.</returns>
    public virtual int? MaxCompressedBytes(int contentBytes) => null;

    /// <summary>Opens a stream that yields the decompressed content of <paramref name="source"/>.</summary>
    /// <param name="source">Read to its end, never further than the stream's own reads ask for.</param>
    /// <param name="leaveOpen">Whether <paramref name="source"/> stays open when the stream is disposed.</param>
    /// <returns>A stream whose reads throw <see cref="CorruptCompressedDataException"/> on truncated, damaged or trailing bytes.</returns>
    /// <exception cref="CodecUnavailableException">The program is missing.</exception>
    public Stream Decompress(Stream source, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(source);
        return OpenDecompress(source, leaveOpen);
    }

    /// <summary>Says whether a file that begins with these bytes is of this format.</summary>
    /// <param name="magic">The file's first bytes.</param>
    public virtual bool Matches(ReadOnlySpan<byte> magic) => false;

    /// <summary>Resolves a level and checks it against the codec's range.</summary>
    /// <param name="level">A level, or <see langword="null"/> for the default.</param>
    /// <returns>The level that <see cref="Compress"/> would use.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The level is outside the codec's range.</exception>
    public int CheckLevel(int? level)
    {
        if (level is { } value && (value < MinLevel || value > MaxLevel))
            throw new ArgumentOutOfRangeException(nameof(level), value, $"Codec '{Name}' takes levels from '{MinLevel}' to '{MaxLevel}'.");
        return level ?? DefaultLevel;
    }

    /// <summary>The codec's <see cref="Name"/>.</summary>
    public sealed override string ToString() => Name;

    private protected abstract Stream OpenCompress(Stream sink, int level, bool leaveOpen);

    private protected virtual int CompressAtOnce(ReadOnlySpan<byte> content, Span<byte> target, int level) =>
        throw new NotSupportedException($"Codec '{Name}' only streams.");

    private protected abstract Stream OpenDecompress(Stream source, bool leaveOpen);

    /// <summary>Bytes pass unchanged.</summary>
    private sealed class NoneCodec() : Codec("none", "", 0, 0, 0)
    {
        public override int? MaxCompressedBytes(int contentBytes) => contentBytes;

        private protected override int CompressAtOnce(ReadOnlySpan<byte> content, Span<byte> target, int level)
        {
            content.CopyTo(target);
            return content.Length;
        }

        private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen) => new PassThrough(sink, leaveOpen);

        private protected override Stream OpenDecompress(Stream source, bool leaveOpen) => leaveOpen ? new PassThrough(source, leaveOpen) : source;

        /// <summary>Hands every call to an inner stream that it may leave open.</summary>
        private sealed class PassThrough(Stream inner, bool leaveOpen) : Stream
        {
            public override bool CanRead => inner.CanRead;

            public override bool CanSeek => false;

            public override bool CanWrite => inner.CanWrite;

            public override long Length => throw new NotSupportedException();

            public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

            public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);

            public override void Write(ReadOnlySpan<byte> buffer) => inner.Write(buffer);

            public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
                inner.WriteAsync(buffer, offset, count, cancellationToken);

            public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
                inner.WriteAsync(buffer, cancellationToken);

            public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);

            public override int Read(Span<byte> buffer) => inner.Read(buffer);

            public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
                inner.ReadAsync(buffer, offset, count, cancellationToken);

            public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
                inner.ReadAsync(buffer, cancellationToken);

            public override void Flush() => inner.Flush();

            public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

            public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

            public override void SetLength(long value) => throw new NotSupportedException();

            protected override void Dispose(bool disposing)
            {
                if (disposing && !leaveOpen)
                    inner.Dispose();
                base.Dispose(disposing);
            }

            public override async ValueTask DisposeAsync()
            {
                if (!leaveOpen)
                    await inner.DisposeAsync().ConfigureAwait(false);
                await base.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    /// <summary>Brotli (RFC 7932) by the base class library.</summary>
    private sealed class BrotliCodec() : Codec("brotli", ".br", 0, 11, 1)
    {
        private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen) => new Encoder(sink, level, leaveOpen);

        private protected override Stream OpenDecompress(Stream source, bool leaveOpen) => new Decoder(source, leaveOpen);

        /// <summary>Writes one brotli stream with a 4 MiB window.</summary>
        private sealed class Encoder(Stream sink, int level, bool leaveOpen) : EncoderStream(sink, leaveOpen, 128 * 1024)
        {
            private const int WindowBits = 22;
            private BrotliEncoder _encoder = new(level, WindowBits);

            protected override bool Encode(ReadOnlySpan<byte> input, EncoderOperation operation, Span<byte> output, out int consumed, out int written)
            {
                consumed = 0;
                var status = operation == EncoderOperation.Flush
                    ? _encoder.Flush(output, out written)
                    : _encoder.Compress(input, output, out consumed, out written, operation == EncoderOperation.End);
                if (status == OperationStatus.InvalidData)
                    throw new InvalidOperationException("Brotli refused to compress.");
                return status != OperationStatus.DestinationTooSmall && consumed == input.Length;
            }

            protected override void ReleaseEncoder() => _encoder.Dispose();
        }

        /// <summary>Reads one brotli stream. The format has no checksum: damage that still decodes is found only by what checks the content.</summary>
        private sealed class Decoder(Stream source, bool leaveOpen) : DecoderStream("brotli", source, leaveOpen, 128 * 1024)
        {
            private BrotliDecoder _decoder;

            protected override bool AllowsSeveralFrames => false;

            protected override bool Decode(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
            {
                var status = _decoder.Decompress(input, output, out consumed, out written);
                return status == OperationStatus.InvalidData
                    ? throw new CorruptCompressedDataException("brotli", "it holds what no encoder writes")
                    : status == OperationStatus.Done;
            }

            protected override void ReleaseDecoder() => _decoder.Dispose();
        }
    }
}
