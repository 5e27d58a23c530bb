namespace OmniPg.Extractor.Extraction;

/// <summary>Lets about ten reports a second through.</summary>
internal sealed class ProgressGate(TimeProvider time)
{
    private long _last;

    public bool Opens()
    {
        var last = Interlocked.Read(ref _last);
        return (last == 0 || time.GetElapsedTime(last) > TimeSpan.FromMilliseconds(100))
            && Interlocked.CompareExchange(ref _last, time.GetTimestamp(), last) == last;
    }
}
