using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using K4os.Compression.LZ4;
using K4os.Compression.LZ4.Streams;
using K4os.Compression.LZ4.Streams.Frames;

namespace OmniPg;

/// <summary>LZ4 frames by K4os.Compression.LZ4: with the checksum on it is as fast as the system's liblz4, and nobody has to install it.</summary>
internal sealed class Lz4Codec() : Codec("lz4", ".lz4", 0, 12, 0)
{
    // LZ4F_MAGICNUMBER of lz4frame.h: the first four bytes of a frame.
    private const uint FrameMagic = 0x184D2204;
    private const int BlockBytes = 256 * 1024;

    public override bool Matches(ReadOnlySpan<byte> magic)
    {
        if (SkippableFrame.TrySkip(magic, out var next))
            magic = next;
        return magic.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(magic) == FrameMagic;
    }

    /// <summary>One frame of linked blocks of 256 KiB with a checksum over its content.</summary>
    // The levels 1 and 2 are 0 in lz4 too (LZ4HC_CLEVEL_MIN of lz4hc.h is 3, LZ4F_compressBegin takes the fast compressor below it).
    private static LZ4EncoderSettings SettingsFor(int level) =>
        new() { BlockSize = BlockBytes, ChainBlocks = true, ContentChecksum = true, CompressionLevel = level < 3 ? LZ4Level.L00_FAST : (LZ4Level)level };

    // LZ4F_compressFrameBound for blocks of this size: per block a header of 4 bytes and no growth, as one that does not shrink is stored; header, end mark and checksum of the frame.
    public override int? MaxCompressedBytes(int contentBytes) => checked(contentBytes + (contentBytes / BlockBytes * 4) + 64);

    private protected override unsafe int CompressAtOnce(ReadOnlySpan<byte> content, Span<byte> target, int level)
    {
        fixed (byte* to = target)
        {
            using var writer = LZ4Frame.Encode(to, target.Length, SettingsFor(level));
            writer.WriteManyBytes(content);
            writer.CloseFrame();
            return writer.CompressedLength;
        }
    }

    private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen) => new Encoder(sink, level, leaveOpen);

    private protected override Stream OpenDecompress(Stream source, bool leaveOpen) => new Decoder(source, leaveOpen);

    /// <summary>Writes one LZ4 frame. A flush cannot end a block early: what is given comes out with its block.</summary>
    private sealed class Encoder : EncoderStream
    {
        // One block at its worst, the frame's header or end, and the piece that is on its way into the next block.
        private const int PieceBytes = 128 * 1024;
        private const int OutputBytes = BlockBytes + PieceBytes + 64;
        private readonly EncodedBytes _made = new(OutputBytes);
        private readonly ByteBufferLZ4FrameWriter<EncodedBytes> _writer;
        private bool _closed;

        public Encoder(Stream sink, int level, bool leaveOpen)
            : base(sink, leaveOpen, OutputBytes) => _writer = LZ4Frame.Encode(_made, SettingsFor(level));

        protected override bool Encode(ReadOnlySpan<byte> input, EncoderOperation operation, Span<byte> output, out int consumed, out int written)
        {
            consumed = Math.Min(input.Length, PieceBytes);
            if (consumed > 0)
            {
                _writer.WriteManyBytes(input[..consumed]);
            }
            else if (operation == EncoderOperation.End && !_closed)
            {
                // Without content there is a frame all the same: nothing at all would be a truncated file.
                _writer.OpenFrame();
                _writer.CloseFrame();
                _closed = true;
            }

            written = _made.MoveTo(output);
            return consumed == input.Length && written < output.Length;
        }

        protected override void ReleaseEncoder()
        {
            _writer.Dispose();
            _made.Dispose();
        }
    }

    /// <summary>Reads LZ4 frames one after the other and passes over skippable ones; the frame reader checks their checksums.</summary>
    private sealed class Decoder(Stream source, bool leaveOpen) : ReadOnlyStream
    {
        private const int MagicBytes = 4;
        private readonly byte[] _head = new byte[MagicBytes];
        private readonly byte[] _skipped = new byte[1024];
        private Content? _content;
        private StreamLZ4FrameReader? _frame;
        private bool _any;
        private bool _disposed;

        public override bool CanRead => !_disposed;

        public override int Read(Span<byte> buffer)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            while (!buffer.IsEmpty)
            {
                if (_frame is null && !OpenNext(source.ReadAtLeast(_head, MagicBytes, throwOnEndOfStream: false)))
                    return 0;
                if (_frame is null)
                    Skip();
                else if (Decode(buffer) is > 0 and var count)
                    return count;
                else
                    EndFrame();
            }

            return 0;
        }

        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            while (!buffer.IsEmpty)
            {
                if (_frame is null && !OpenNext(await source.ReadAtLeastAsync(_head, MagicBytes, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false)))
                    return 0;
                if (_frame is null)
                    await SkipAsync(cancellationToken).ConfigureAwait(false);
                else if (await DecodeAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and var count)
                    return count;
                else
                    EndFrame();
            }

            return 0;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing && !_disposed)
            {
                _disposed = true;
                _frame?.Dispose();
                if (!leaveOpen)
                    source.Dispose();
            }

            base.Dispose(disposing);
        }

        // False where the data ends between two frames; true without a frame where a skippable one begins.
        private bool OpenNext(int headBytes)
        {
            if (headBytes == 0)
                return _any ? false : throw CorruptCompressedDataException.Truncated("lz4");
            if (headBytes < MagicBytes)
                throw _any ? CorruptCompressedDataException.TrailingBytes("lz4") : CorruptCompressedDataException.Truncated("lz4");
            if (SkippableFrame.IsMagic(_head))
                return true;
            if (BinaryPrimitives.ReadUInt32LittleEndian(_head) != FrameMagic)
                throw _any ? CorruptCompressedDataException.TrailingBytes("lz4") : new CorruptCompressedDataException("lz4", "it does not begin with a frame");
            _content = new Content(_head, source);
            _frame = LZ4Frame.Decode(_content, leaveOpen: true);
            return true;
        }

        private int Decode(Span<byte> buffer)
        {
            try
            {
                return _frame!.ReadManyBytes(buffer, interactive: true);
            }
            catch (Exception error) when (IsDamage(error))
            {
                throw Damage(error);
            }
        }

        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
        private async ValueTask<int> DecodeAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            try
            {
                return await _frame!.ReadManyBytesAsync(cancellationToken, buffer, interactive: true).ConfigureAwait(false);
            }
            catch (Exception error) when (IsDamage(error))
            {
                throw Damage(error);
            }
        }

        // The reader has no error of its own: whatever it throws that the source did not is about the bytes.
        private bool IsDamage(Exception error) => error != _content!.Failure && error is not (OperationCanceledException or OutOfMemoryException);

        private static CorruptCompressedDataException Damage(Exception error) => error is EndOfStreamException
            ? CorruptCompressedDataException.Truncated("lz4")
            : new CorruptCompressedDataException("lz4", $"it is no frame ('{error.Message}')", error);

        private void Skip()
        {
            for (var left = LengthToSkip(source.ReadAtLeast(_head, _head.Length, throwOnEndOfStream: false)); left > 0;)
                left -= Skipped(source.Read(_skipped.AsSpan(0, (int)Math.Min(left, (uint)_skipped.Length))));
            _any = true;
        }

        private async ValueTask SkipAsync(CancellationToken cancellationToken)
        {
            for (var left = LengthToSkip(await source.ReadAtLeastAsync(_head, _head.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false)); left > 0;)
                left -= Skipped(await source.ReadAsync(_skipped.AsMemory(0, (int)Math.Min(left, (uint)_skipped.Length)), cancellationToken).ConfigureAwait(false));
            _any = true;
        }

        private uint LengthToSkip(int lengthBytes) => lengthBytes == _head.Length ? BinaryPrimitives.ReadUInt32LittleEndian(_head) : throw CorruptCompressedDataException.Truncated("lz4");

        private static uint Skipped(int count) => count > 0 ? (uint)count : throw CorruptCompressedDataException.Truncated("lz4");

        private void EndFrame()
        {
            _frame!.Dispose();
            _frame = null;
            _any = true;
        }

        /// <summary>The bytes that were looked at, then the rest of the source, whose errors are remembered as its own.</summary>
        private sealed class Content(byte[] head, Stream rest) : ReadOnlyStream
        {
            private int _taken;

            public Exception? Failure { get; private set; }

            public override int Read(Span<byte> buffer)
            {
                if (TakeHead(buffer) is > 0 and var count)
                    return count;
                try
                {
                    return rest.Read(buffer);
                }
                catch (Exception error)
                {
                    Failure = error;
                    throw;
                }
            }

            [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
            public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
            {
                if (TakeHead(buffer.Span) is > 0 and var count)
                    return count;
                try
                {
                    return await rest.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
                }
                catch (Exception error)
                {
                    Failure = error;
                    throw;
                }
            }

            private int TakeHead(Span<byte> buffer)
            {
                var count = Math.Min(head.Length - _taken, buffer.Length);
                head.AsSpan(_taken, count).CopyTo(buffer);
                _taken += count;
                return count;
            }
        }
    }
}
