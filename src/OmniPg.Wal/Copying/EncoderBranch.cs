using System.Buffers;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Threading.Tasks.Sources;

namespace OmniPg.Wal;

/// <summary>Encodes the content once for all targets that share codec and level. A codec that fails takes down only these.</summary>
/// <param name="codec">The codec.</param>
/// <param name="level">Its level.</param>
/// <param name="targets">Who gets what it makes.</param>
/// <param name="queueCapacity">Buffers that may wait for it.</param>
/// <param name="pool">Memory of what it makes.</param>
/// <param name="needsSha256">Whether what it makes is hashed.</param>
/// <param name="isLong">Whether the content may be long: then it is encoded in pieces, several at the same time.</param>
internal sealed class EncoderBranch(Codec codec, int? level, TargetWriter[] targets, int queueCapacity, BufferPool pool, bool needsSha256, bool isLong)
{
    private readonly FanOut _fanOut = new(targets.Select(static t => t.Queue));

    public BufferQueue Queue { get; } = new(queueCapacity);

    /// <summary>Runs until the queue is completed, then completes the queues of the targets.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var sha256 = needsSha256 ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
            var output = new BranchOutput(pool, _fanOut, sha256);
            // lz4 encodes in one call too, but makes a writer for each, and costs little as a stream.
            var encoder = isLong && codec == Codec.Zstd ? new Pieces(codec, level, output) : codec.Compress(output, level, leaveOpen: true);
            if (!await EncodeAsync(encoder, cancellationToken).ConfigureAwait(false))
                return;
            output.PassOn();
            var stored = HashText.Finish(sha256);
            foreach (var target in targets)
                target.StoredSha256 = stored;
        }
        catch (Exception error)
        {
            foreach (var target in targets)
                target.Abandon(error);
        }
        finally
        {
            Queue.Close();
            _fanOut.Complete();
        }
    }

    /// <returns>False when no target is left that wants it.</returns>
    private async Task<bool> EncodeAsync(Stream encoder, CancellationToken cancellationToken)
    {
        await using (encoder.ConfigureAwait(false))
        {
            while (await Queue.DequeueAsync().ConfigureAwait(false) is { } buffer)
            {
                try
                {
                    await encoder.WriteAsync(buffer.Filled, cancellationToken).ConfigureAwait(false);
                }
                finally
                {
                    buffer.Release();
                }

                if (!Array.Exists(targets, static t => t.IsLive))
                    return false;
            }
        }

        return true;
    }

    /// <summary>
    /// Encodes piece by piece, each in one call and into a frame of its own, several at the same time. Frames one behind the other are one file in every format that
    /// encodes in one call: the stock programs read them as such.
    /// </summary>
    private sealed class Pieces(Codec codec, int? level, Stream output) : Stream
    {
        /// <summary>Fits, with what an encoder adds to it at worst, into a pooled array of 4 MiB; several windows of the usual levels.</summary>
        public const int PieceBytes = 15 * BufferPool.BufferBytes;

        // What hashes and reads the content beside it goes no faster than four encoders do.
        private const int MostAtOnce = 4;

        private readonly Piece[] _ring = [.. Enumerable.Range(0, Math.Min(Environment.ProcessorCount, MostAtOnce) + 1).Select(_ => new Piece(codec, level))];
        private long _begun;
        private long _taken;
        private bool _ended;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        private Piece Current => _ring[_begun % _ring.Length];

        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            while (!buffer.IsEmpty)
            {
                buffer = buffer[Current.Take(buffer.Span)..];
                if (Current.IsFull)
                    await BeginAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        public override async ValueTask DisposeAsync()
        {
            if (!_ended)
            {
                _ended = true;
                await EndAsync().ConfigureAwait(false);
            }

            await base.DisposeAsync().ConfigureAwait(false);
        }

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("The pump writes asynchronously.");

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        private async ValueTask EndAsync()
        {
            try
            {
                // Without content there is a frame all the same: nothing at all would be a truncated file.
                if (_begun == 0 || !Current.IsEmpty)
                    await BeginAsync(CancellationToken.None).ConfigureAwait(false);
                while (_taken < _begun)
                    await PassOnAsync(CancellationToken.None).ConfigureAwait(false);
            }
            finally
            {
                foreach (var piece in _ring)
                    await piece.DisposeAsync().ConfigureAwait(false);
            }
        }

        // The place of the next piece must be free before it is filled: whoever writes waits here for the oldest one.
        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
        private async ValueTask BeginAsync(CancellationToken cancellationToken)
        {
            Current.Begin();
            _begun++;
            if (_begun - _taken == _ring.Length)
                await PassOnAsync(cancellationToken).ConfigureAwait(false);
        }

        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
        private async ValueTask PassOnAsync(CancellationToken cancellationToken)
        {
            var frame = await _ring[_taken % _ring.Length].EndAsync().ConfigureAwait(false);
            _taken++;
            await output.WriteAsync(frame, cancellationToken).ConfigureAwait(false);
        }

        /// <summary>One place of the ring. It is its own work item and its own promise, so that nothing is allocated for a piece.</summary>
        private sealed class Piece(Codec codec, int? level) : IThreadPoolWorkItem, IValueTaskSource<int>, IAsyncDisposable
        {
            private readonly byte[] _content = ArrayPool<byte>.Shared.Rent(PieceBytes);
            private readonly byte[] _encoded = ArrayPool<byte>.Shared.Rent(codec.MaxCompressedBytes(PieceBytes)!.Value);
            private ManualResetValueTaskSourceCore<int> _frame = new() { RunContinuationsAsynchronously = true };
            private bool _isAtWork;
            private int _length;

            public bool IsEmpty => _length == 0;

            public bool IsFull => _length == PieceBytes;

            public int Take(ReadOnlySpan<byte> bytes)
            {
                var count = Math.Min(bytes.Length, PieceBytes - _length);
                bytes[..count].CopyTo(_content.AsSpan(_length));
                _length += count;
                return count;
            }

            public void Begin()
            {
                _isAtWork = true;
                _frame.Reset();
                ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
            }

            /// <summary>Waits for the frame; the place is empty then, but the frame stays until the next one is begun.</summary>
            [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
            public async ValueTask<ReadOnlyMemory<byte>> EndAsync()
            {
                try
                {
                    return _encoded.AsMemory(0, await new ValueTask<int>(this, _frame.Version).ConfigureAwait(false));
                }
                finally
                {
                    (_isAtWork, _length) = (false, 0);
                }
            }

            // An encoder that still works has its memory.
            public async ValueTask DisposeAsync()
            {
                if (_isAtWork)
                    await ((Task)EndAsync().AsTask()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                ArrayPool<byte>.Shared.Return(_content);
                ArrayPool<byte>.Shared.Return(_encoded);
            }

            void IThreadPoolWorkItem.Execute()
            {
                try
                {
                    _frame.SetResult(codec.CompressWhole(_content.AsSpan(0, _length), _encoded, level));
                }
                catch (Exception error)
                {
                    _frame.SetException(error);
                }
            }

            int IValueTaskSource<int>.GetResult(short token) => _frame.GetResult(token);

            ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _frame.GetStatus(token);

            void IValueTaskSource<int>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
                _frame.OnCompleted(continuation, state, token, flags);
        }
    }
}
