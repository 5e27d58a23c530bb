using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using K4os.Compression.LZ4.Streams;
using K4os.Compression.LZ4.Streams.Frames;

namespace OmniPg;

/// <summary>Reads LZ4 frames one after the other and passes over skippable ones; the frame reader checks their checksums.</summary>
internal sealed class Lz4DecoderStream(Stream source, bool leaveOpen) : ReadOnlyStream
{
    private const int MagicBytes = 4;
    private readonly byte[] _head = new byte[MagicBytes];
    private readonly byte[] _skipped = new byte[1024];
    private StreamLZ4FrameReader? _frame;
    private bool _any;
    private bool _disposed;

    public override bool CanRead => !_disposed;

    public override int Read(Span<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        try
        {
            while (!buffer.IsEmpty)
            {
                if (_frame is null && !OpenNext(source.ReadAtLeast(_head, MagicBytes, throwOnEndOfStream: false)))
                    return 0;
                if (_frame is null)
                    Skip();
                else if (_frame.ReadManyBytes(buffer, interactive: true) is > 0 and var count)
                    return count;
                else
                    EndFrame();
            }

            return 0;
        }
        catch (Exception error) when (Damage(error) is { } damage)
        {
            throw damage;
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        try
        {
            while (!buffer.IsEmpty)
            {
                if (_frame is null && !OpenNext(await source.ReadAtLeastAsync(_head, MagicBytes, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false)))
                    return 0;
                if (_frame is null)
                    await SkipAsync(cancellationToken).ConfigureAwait(false);
                else if (await _frame.ReadManyBytesAsync(cancellationToken, buffer, interactive: true).ConfigureAwait(false) is > 0 and var count)
                    return count;
                else
                    EndFrame();
            }

            return 0;
        }
        catch (Exception error) when (Damage(error) is { } damage)
        {
            throw damage;
        }
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
        if (BinaryPrimitives.ReadUInt32LittleEndian(_head) != Lz4Codec.FrameMagic)
            throw _any ? CorruptCompressedDataException.TrailingBytes("lz4") : new CorruptCompressedDataException("lz4", "it does not begin with a frame");
        _frame = LZ4Frame.Decode(new Joined(_head, source), leaveOpen: true);
        return true;
    }

    private void Skip()
    {
        source.ReadExactly(_head.AsSpan());
        for (var left = BinaryPrimitives.ReadUInt32LittleEndian(_head); left > 0;)
            left -= Skipped(source.Read(_skipped.AsSpan(0, (int)Math.Min(left, (uint)_skipped.Length))));
        _any = true;
    }

    private async ValueTask SkipAsync(CancellationToken cancellationToken)
    {
        await source.ReadExactlyAsync(_head, cancellationToken).ConfigureAwait(false);
        for (var left = BinaryPrimitives.ReadUInt32LittleEndian(_head); left > 0;)
            left -= Skipped(await source.ReadAsync(_skipped.AsMemory(0, (int)Math.Min(left, (uint)_skipped.Length)), cancellationToken).ConfigureAwait(false));
        _any = true;
    }

    private static uint Skipped(int count) => count > 0 ? (uint)count : throw CorruptCompressedDataException.Truncated("lz4");

    private void EndFrame()
    {
        _frame!.Dispose();
        _frame = null;
        _any = true;
    }

    // What the reader throws at bytes that are no frame; errors of the source are none of these.
    private static CorruptCompressedDataException? Damage(Exception error) => error switch
    {
        EndOfStreamException => CorruptCompressedDataException.Truncated("lz4"),
        InvalidDataException or NotImplementedException or ArgumentException or IndexOutOfRangeException or OverflowException => new CorruptCompressedDataException("lz4", $"it is no frame ('{error.Message}')", error),
        _ => null,
    };

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

    /// <summary>The bytes that were looked at, then the rest of the source.</summary>
    private sealed class Joined(byte[] head, Stream rest) : ReadOnlyStream
    {
        private int _taken;

        public override int Read(Span<byte> buffer) => TakeHead(buffer) is > 0 and var count ? count : rest.Read(buffer);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            TakeHead(buffer.Span) is > 0 and var count ? new ValueTask<int>(count) : rest.ReadAsync(buffer, cancellationToken);

        private int TakeHead(Span<byte> buffer)
        {
            var count = Math.Min(head.Length - _taken, buffer.Length);
            head.AsSpan(_taken, count).CopyTo(buffer);
            _taken += count;
            return count;
        }
    }
}
