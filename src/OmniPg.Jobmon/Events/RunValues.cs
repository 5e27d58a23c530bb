using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace OmniPg.Jobmon;

/// <summary>Result values and counters of one run, collected until its end.</summary>
internal sealed class RunValues
{
    private const int MaxBytes = 64 * 1024;
    // Any thread of the work sets and counts; the end reads once.
    private readonly Lock _lock = new();
    private readonly Dictionary<string, string> _texts = [];
    private readonly Dictionary<string, long> _counters = [];

    public void Set(string name, string value)
    {
        lock (_lock)
        {
            _texts[name] = value;
            _counters.Remove(name);
        }
    }

    public void Count(string name, long by)
    {
        lock (_lock)
        {
            _counters[name] = _counters.GetValueOrDefault(name) + by;
            _texts.Remove(name);
        }
    }

    public (IReadOnlyDictionary<string, string> Texts, IReadOnlyDictionary<string, long> Counters) Copy()
    {
        lock (_lock)
            return (new Dictionary<string, string>(_texts), new Dictionary<string, long>(_counters));
    }

    public string? Json(TextGuard texts)
    {
        lock (_lock)
            return _texts.Count + _counters.Count == 0 ? null : Json(_texts, _counters, texts);
    }

    /// <summary>A JSON object of at most 64 KiB; what does not fit is left out and counted in <c>omitted</c>.</summary>
    public static string? Json(IEnumerable<KeyValuePair<string, string>> texts, IEnumerable<KeyValuePair<string, long>> counters, TextGuard guard)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer);
        var omitted = 0;
        json.WriteStartObject();
        foreach (var (name, count) in counters)
            json.WriteNumber(guard.Clean(name)!, count);
        foreach (var (name, text) in texts)
        {
            var (key, value) = (guard.Clean(name)!, guard.Clean(text)!);
            // An escaped character takes at most six bytes.
            if (json.BytesCommitted + json.BytesPending + (6L * (key.Length + value.Length)) > MaxBytes)
                omitted++;
            else
                json.WriteString(key, value);
        }

        if (omitted > 0)
            json.WriteString("omitted", omitted.ToString(CultureInfo.InvariantCulture));
        json.WriteEndObject();
        json.Flush();
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
