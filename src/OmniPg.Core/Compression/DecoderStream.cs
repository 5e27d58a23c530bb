using System.Buffers;
using System.Runtime.CompilerServices;

namespace OmniPg;

/// <summary>Read-only stream around a step-wise decoder: one rented input buffer, nothing allocated per read.</summary>
internal abstract class DecoderStream(string codec, Stream source, bool leaveOpen, int inputSize) : ReadOnlyStream
{
    private byte[]? _input = ArrayPool<byte>.Shared.Rent(inputSize);
    private int _start;
    private int _end;
    private bool _sourceEnded;
    private bool _betweenFrames;

    public sealed override bool CanRead => _input is not null;

    /// <summary>Whether another frame may follow the end of one.</summary>
    protected virtual bool AllowsSeveralFrames => true;

    /// <summary>Takes some input and yields some output; throws when the input is not of the format.</summary>
    /// <returns>Whether the bytes taken so far end exactly at the end of a frame and all its output has been yielded.</returns>
    protected abstract bool Decode(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written);

    /// <summary>Gives the decoder's state back. Called once.</summary>
    protected abstract void ReleaseDecoder();

    public sealed override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty)
            return 0;
        while (true)
        {
            if (TryDecode(buffer, out var written))
                return written;
            var room = MakeRoom();
            Filled(source.Read(room.Span));
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public sealed override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty)
            return 0;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (TryDecode(buffer.Span, out var written))
                return written;
            Filled(await source.ReadAsync(MakeRoom(), cancellationToken).ConfigureAwait(false));
        }
    }

    protected sealed override void Dispose(bool disposing)
    {
        if (disposing && _input is not null)
        {
            ReleaseDecoder();
            ArrayPool<byte>.Shared.Return(_input);
            _input = null;
            if (!leaveOpen)
                source.Dispose();
        }

        base.Dispose(disposing);
    }

    // False: the decoder needs input that is not in the buffer yet. Zero bytes: the data ended where a frame ended.
    private bool TryDecode(Span<byte> buffer, out int written)
    {
        ObjectDisposedException.ThrowIf(_input is null, this);
        while (true)
        {
            written = 0;
            if (_start == _end && _betweenFrames && !_sourceEnded)
                return false;
            if (_start == _end && _sourceEnded && _betweenFrames)
                return true;
            if (_start < _end && _betweenFrames && !AllowsSeveralFrames)
                throw CorruptCompressedDataException.TrailingBytes(codec);
            _betweenFrames = Decode(_input.AsSpan(_start, _end - _start), buffer, out var consumed, out written);
            _start += consumed;
            if (written > 0)
                return true;
            if (_betweenFrames || consumed > 0)
                continue;
            if (_sourceEnded)
                throw CorruptCompressedDataException.Truncated(codec);
            return false;
        }
    }

    private Memory<byte> MakeRoom()
    {
        var left = _end - _start;
        _input.AsSpan(_start, left).CopyTo(_input);
        (_start, _end) = (0, left);
        return _input.AsMemory(left);
    }

    private void Filled(int count)
    {
        _end += count;
        _sourceEnded = count == 0;
    }
}
