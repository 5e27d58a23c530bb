using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace OmniPg.Testing;

/// <summary>One recorded measurement.</summary>
/// <param name="Instrument">Instrument name.</param>
/// <param name="Value">The value.</param>
/// <param name="Tags">Its tags.</param>
public sealed record Measured(string Instrument, double Value, IReadOnlyDictionary<string, object?> Tags);

/// <summary>Collects the measurements of one meter.</summary>
public sealed class MeterRecorder : IDisposable
{
    private readonly ConcurrentQueue<Measured> _all = new();
    private readonly MeterListener _listener;

    /// <summary>Starts to listen.</summary>
    /// <param name="meterName">Name of the meter, such as <c>OmniPg.Wal</c>.</param>
    public MeterRecorder(string meterName)
    {
        _listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == meterName)
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        _listener.SetMeasurementEventCallback<int>((i, v, tags, _) => Keep(i, v, tags));
        _listener.SetMeasurementEventCallback<long>((i, v, tags, _) => Keep(i, v, tags));
        _listener.SetMeasurementEventCallback<double>((i, v, tags, _) => Keep(i, v, tags));
        _listener.Start();
    }

    /// <summary>Measurements so far, in order.</summary>
    public IReadOnlyList<Measured> All => [.. _all];

    /// <summary>Sum of an instrument's measurements so far.</summary>
    /// <param name="instrument">Instrument name.</param>
    /// <returns>The sum; 0 when there are none.</returns>
    public double Sum(string instrument) => _all.Where(m => m.Instrument == instrument).Sum(m => m.Value);

    /// <summary>Asks the observable instruments for their values.</summary>
    public void Observe() => _listener.RecordObservableInstruments();

    /// <summary>Stops listening.</summary>
    public void Dispose() => _listener.Dispose();

    private void Keep(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
        _all.Enqueue(new Measured(instrument.Name, value, tags.ToArray().ToDictionary(t => t.Key, t => t.Value)));
}
