using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using NpgsqlTypes;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// Reads the records of WAL segments of every version that the table in <c>docs/wal-reader.md</c> names, or only validates them.
/// Every check of <see cref="WalValidation.Full"/> is always made: a record that is handed out was verified.
/// </summary>
/// <remarks>Thread-safe. Holds one pooled buffer of 128 KiB and the records of one such buffer; a record that is split over pages is assembled in memory.</remarks>
public static class WalSegmentReader
{
    private const int BufferSize = 128 * 1024;

    /// <summary>Reads the records that end in one segment. A record begun in the segment before is left out, unless its state is in the expectations; so is one that ends in the next.</summary>
    /// <param name="segment">Uncompressed content. Stays open.</param>
    /// <param name="options">How to read; <see langword="null"/> takes the defaults.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>The records in WAL order.</returns>
    /// <exception cref="WalValidationException">The content is wrong. Thrown after all records before the fault were handed out.</exception>
    /// <exception cref="IOException">A stream cannot be read.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static async IAsyncEnumerable<WalRecord> ReadAsync(
        Stream segment, WalReadOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(segment);
        options ??= new WalReadOptions();
        var reading = new Reading(options, options.Name, options.Expectations);
        await foreach (var record in ReadAsync(segment, reading, cancellationToken).ConfigureAwait(false))
            yield return record;

        options.OnSegmentEnd?.Invoke(reading.Complete());
    }

    /// <summary>Reads the records of consecutive segments, with those split over their edges. Ends with a segment that ends early, when that is allowed.</summary>
    /// <param name="segments">Segments in order; each must start where the one before ends. The next timeline's first segment may follow the one before it.</param>
    /// <param name="options">How to read; <see cref="WalReadOptions.Name"/> is taken from each segment.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>The records in WAL order.</returns>
    /// <exception cref="WalValidationException">A segment is wrong or does not continue the one before. Thrown after all records before the fault were handed out.</exception>
    /// <exception cref="IOException">A stream cannot be read.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static async IAsyncEnumerable<WalRecord> ReadChainAsync(
        IEnumerable<WalSegmentSource> segments, WalReadOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(segments);
        options ??= new WalReadOptions();
        var expectations = options.Expectations;
        foreach (var segment in segments)
        {
            var reading = new Reading(options, segment.Name, expectations);
            var stream = await segment.OpenAsync(cancellationToken).ConfigureAwait(false);
            await using (stream.ConfigureAwait(false))
            {
                ThrowUnlessContinued(segment.Name, expectations.Previous);
                await foreach (var record in ReadAsync(stream, reading, cancellationToken).ConfigureAwait(false))
                    yield return record;
            }

            var summary = reading.Complete();
            options.OnSegmentEnd?.Invoke(summary);
            if (summary.Next is null)
                yield break;

            expectations = expectations with { Previous = summary.Next };
        }
    }

    /// <summary>Validates one file thoroughly (<see cref="WalValidation.Full"/>).</summary>
    /// <param name="file">Uncompressed content. Stays open.</param>
    /// <param name="name">Name of the file; <see langword="null"/> for a segment whose name is not known.</param>
    /// <param name="expectations">What is known about the cluster; <see langword="null"/> for nothing.</param>
    /// <param name="cancellationToken">Ends the validation.</param>
    /// <returns>What the file holds.</returns>
    /// <exception cref="WalValidationException">The content is wrong.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static async Task<WalValidationResult> ValidateAsync(
        Stream file, WalFileName? name = null, WalExpectations? expectations = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(file);
        var validator = new WalSegmentValidator(name, WalValidation.Full, expectations ?? WalExpectations.Any, null);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            while (await file.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var count and > 0)
                validator.Append(buffer.AsSpan(0, count));

            return validator.Complete();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async IAsyncEnumerable<WalRecord> ReadAsync(
        Stream segment, Reading reading, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            while (await segment.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var count and > 0)
            {
                reading.Append(buffer.AsSpan(0, count));
                foreach (var record in reading.Records)
                    yield return record;

                reading.Continue();
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static void ThrowUnlessContinued(WalFileName name, WalChainState? previous)
    {
        if (previous is null)
            return;

        var size = WalSegmentSize.FromBytes(previous.SegmentSize);
        if (!name.Fits(size) || name.StartLsn(size) != previous.End)
        {
            throw new WalValidationException(
                WalValidationProblem.BrokenChain, $"the segment before ends at '{previous.End}', and this one does not start there", name.ToString(), 0);
        }
    }

    /// <summary>Reads one segment for its records: a validator whose verified records are collected, and whose fault waits until those before it were handed out.</summary>
    private sealed class Reading : IRecordObserver
    {
        private readonly WalReadOptions _options;
        private readonly WalFileName? _name;
        private readonly WalSegmentValidator _validator;
        private PgMajor? _major;
        private ExceptionDispatchInfo? _fault;

        public Reading(WalReadOptions options, WalFileName? name, WalExpectations expectations)
        {
            (_options, _name) = (options, name);
            _validator = new WalSegmentValidator(name, WalValidation.Full, expectations, this);
        }

        /// <summary>Records since the last <see cref="Continue"/>.</summary>
        public List<WalRecord> Records { get; } = [];

        public void Append(ReadOnlySpan<byte> bytes)
        {
            try
            {
                _validator.Append(bytes);
            }
            catch (WalValidationException fault)
            {
                _fault = ExceptionDispatchInfo.Capture(fault);
            }
        }

        /// <summary>To be called once the records read so far were handed out.</summary>
        public void Continue()
        {
            Records.Clear();
            _fault?.Throw();
        }

        public WalValidationResult Complete() => _validator.Complete();

        void IRecordObserver.OnSegmentStart(PgMajor major) => _major = major;

        int IRecordObserver.BytesNeeded(in RecordHeader header) => _options.IncludeData || RecordDecoder.Wants(header) ? int.MaxValue : 0;

        void IRecordObserver.OnRecord(in RecordHeader header, ulong start, ulong end, ReadOnlySpan<byte> body)
        {
            var lsn = new NpgsqlLogSequenceNumber(start);
            var detail = RecordDecoder.Decode(header, body, _major!.Number);
            Records.Add(new WalRecord
            {
                Lsn = lsn,
                Previous = new NpgsqlLogSequenceNumber(header.Previous),
                End = new NpgsqlLogSequenceNumber(end),
                TransactionId = header.Xid,
                Rmgr = header.Rmgr,
                Info = header.Info,
                TotalLength = (int)header.TotalLength,
                Detail = detail is WalRestorePoint point ? point with { Lsn = lsn, File = _name } : detail,
                PgMajor = _major.Number,
                Data = _options.IncludeData ? body.ToArray() : default(ReadOnlyMemory<byte>),
            });
        }
    }
}

/// <summary>One segment of a sequence to read.</summary>
/// <param name="Name">Its name.</param>
/// <param name="OpenAsync">Opens its uncompressed content; the reader disposes the stream.</param>
public sealed record WalSegmentSource(WalFileName Name, Func<CancellationToken, Task<Stream>> OpenAsync)
{
    /// <summary>A plain file whose name is that of the segment.</summary>
    /// <param name="path">Path of the file.</param>
    /// <returns>The source.</returns>
    /// <exception cref="FormatException">The last part of <paramref name="path"/> is not the name of a WAL file.</exception>
    public static WalSegmentSource FromFile(string path) => new(
        WalFileName.Parse(Path.GetFileName(path.AsSpan())),
        _ => Task.FromResult<Stream>(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1)));
}
