using System.Runtime.ExceptionServices;

namespace OmniPg.Wal;

/// <summary>Reads one segment for its records: a validator whose records are collected, and whose fault waits until the records before it were handed out.</summary>
internal sealed class SegmentReading
{
    private readonly RecordCollector _collector;
    private readonly WalSegmentValidator _validator;
    private ExceptionDispatchInfo? _fault;

    public SegmentReading(WalReadOptions options, WalFileName? name, WalExpectations expectations)
    {
        _collector = new RecordCollector(options);
        _validator = new WalSegmentValidator(name, WalValidation.Full, expectations, _collector);
    }

    public List<WalRecord> Records => _collector.Records;

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
        _collector.Records.Clear();
        _fault?.Throw();
    }

    public WalSegmentSummary Complete() => _validator.Complete();
}
