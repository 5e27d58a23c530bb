using System.Runtime.CompilerServices;

namespace OmniPg.Extractor;

internal sealed partial class CustomArchiveData
{
    /// <summary>The bytes of one data block of a custom archive: chunks of a length and that many bytes, ended by length 0.</summary>
    /// <remarks>pg_dump without compression writes one chunk per row, so a single read goes over many chunks.</remarks>
    private sealed class ChunkStream(ArchiveInput input, ArchiveNumbers numbers, int entryIndex) : ReadOnlyStream
    {
        private int _left;
        private int _missing;
        private bool _atEnd;
        private bool _closed;

        public override int Read(Span<byte> buffer)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            int copied;
            while ((copied = CopyArrived(buffer)) == 0 && !_atEnd && !buffer.IsEmpty)
            {
                if (_left >= buffer.Length && input.Available.IsEmpty)
                    return ReadThrough(input.ReadThrough(buffer));
                if (!input.Fill(_missing))
                    throw Truncated();
            }
            return copied;
        }

        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            int copied;
            while ((copied = CopyArrived(buffer.Span)) == 0 && !_atEnd && !buffer.IsEmpty)
            {
                if (_left >= buffer.Length && input.Available.IsEmpty)
                    return ReadThrough(await input.ReadThroughAsync(buffer, cancellationToken).ConfigureAwait(false));
                if (!await input.FillAsync(_missing, cancellationToken).ConfigureAwait(false))
                    throw Truncated();
            }
            return copied;
        }

        /// <summary>Goes to the end of the block without copying, and makes further reads impossible.</summary>
        public async ValueTask SkipAsync(CancellationToken cancellationToken)
        {
            _closed = true;
            while (!SkipArrived())
            {
                if (!await input.FillAsync(_missing, cancellationToken).ConfigureAwait(false))
                    throw Truncated();
            }
        }

        /// <inheritdoc cref="SkipAsync"/>
        public void Skip()
        {
            _closed = true;
            while (!SkipArrived())
            {
                if (!input.Fill(_missing))
                    throw Truncated();
            }
        }

        private int CopyArrived(Span<byte> target)
        {
            var copied = 0;
            while (copied < target.Length && (_left > 0 || TryNextChunk()))
            {
                var part = Math.Min(Math.Min(_left, target.Length - copied), input.Available.Length);
                if (part == 0)
                {
                    _missing = 1;
                    break;
                }
                input.Available[..part].CopyTo(target[copied..]);
                Take(part);
                copied += part;
            }
            return copied;
        }

        // True when the end of the block is reached, false when more bytes have to arrive first.
        private bool SkipArrived()
        {
            while (_left > 0 || TryNextChunk())
            {
                if (input.Available.IsEmpty)
                {
                    _missing = 1;
                    return false;
                }
                Take(Math.Min(_left, input.Available.Length));
            }
            return _atEnd;
        }

        private bool TryNextChunk()
        {
            if (_atEnd)
                return false;
            var cursor = new ArchiveCursor(input.Available, input.Position, entryIndex) { Numbers = numbers };
            var at = cursor.At("chunk length");
            var length = cursor.Int32("chunk length");
            if (cursor.IsIncomplete)
            {
                _missing = cursor.Missing;
                return false;
            }
            if (length < 0)
                throw new ArchiveFormatException(at, $"the length of a data chunk is '{length}'");
            input.Advance(cursor.Position);
            _left = length;
            _atEnd = length == 0;
            return !_atEnd;
        }

        private void Take(int count)
        {
            input.Advance(count);
            _left -= count;
        }

        private int ReadThrough(int read)
        {
            _left -= read;
            return read > 0 ? read : throw Truncated();
        }

        private ArchiveFormatException Truncated() =>
            new(new ArchiveLocation(input.Position + input.Available.Length, entryIndex, "data"), "the archive ends within a data block");
    }
}
