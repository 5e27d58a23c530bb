using System.Globalization;

namespace OmniPg.Wal.Cli;

/// <summary>What a command line and its configuration files said, by the option table of a verb.</summary>
internal sealed class Arguments
{
    private readonly List<(Option Option, string? Value)> _given = [];
    private readonly List<string> _operands = [];

    /// <summary>The words that are not options, in order.</summary>
    public IReadOnlyList<string> Operands => _operands;

    /// <summary>The options as words again, for a second process; files are resolved, operands left out.</summary>
    public IEnumerable<string> Words => _given.Select(g => g.Value is null ? g.Option.Name : $"{g.Option.Name}={g.Value}");

    public void Add(Option option, string? value) => _given.Add((option, value));

    public void AddOperand(string word) => _operands.Add(word);

    public bool Has(Option option) => _given.Exists(g => g.Option == option);

    /// <summary>The value given last, or null.</summary>
    public string? Get(Option option) => _given.FindLast(g => g.Option == option).Value;

    public string Require(Option option) => Get(option) ?? throw new UsageException($"The option {option.Name} is required.");

    /// <summary>All values in the order given, duplicates removed.</summary>
    public IReadOnlyList<string> All(Option option) => [.. _given.Where(g => g.Option == option).Select(g => g.Value!).Distinct(StringComparer.Ordinal)];

    public int? Integer(Option option, int minimum)
    {
        if (Get(option) is not { } text)
            return null;
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) || value < minimum)
            throw new UsageException($"The option {option.Name} wants a whole number of at least {minimum}, not '{text}'.");
        return value;
    }

    public TimeSpan? Seconds(Option option)
    {
        if (Get(option) is not { } text)
            return null;
        if (!double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) || value > TimeSpan.MaxValue.TotalSeconds / 2)
            throw new UsageException($"The option {option.Name} wants seconds, not '{text}'.");
        return TimeSpan.FromSeconds(value);
    }

    /// <summary>A number of bytes, with one of the units of PostgreSQL's settings: <c>kB</c>, <c>MB</c>, <c>GB</c>, <c>TB</c>.</summary>
    public long? Bytes(Option option)
    {
        if (Get(option) is not { } text)
            return null;
        var unit = text.AsSpan().TrimStart("0123456789").Trim();
        var shift = unit switch { "" => 0, "kB" => 10, "MB" => 20, "GB" => 30, "TB" => 40, _ => -1 };
        if (shift < 0 || !long.TryParse(text.AsSpan(0, text.Length - unit.Length).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            || value < 1 || value > long.MaxValue >> shift)
            throw new UsageException($"The option {option.Name} wants a size such as 128MB, not '{text}'.");
        return value << shift;
    }

    /// <summary>One of a list of words.</summary>
    public T Choice<T>(Option option, T absent, params ReadOnlySpan<(string Word, T Value)> choices)
    {
        if (Get(option) is not { } text)
            return absent;
        foreach (var (word, value) in choices)
        {
            if (word == text)
                return value;
        }

        var words = new List<string>();
        foreach (var (word, _) in choices)
            words.Add(word);
        throw new UsageException($"The option {option.Name} wants one of {string.Join(", ", words)}, not '{text}'.");
    }

    /// <summary>Exactly this many operands.</summary>
    public void RequireOperands(int count, string names)
    {
        if (_operands.Count != count)
            throw new UsageException($"Expected {names}, got {_operands.Count} argument(s){(_operands.Count == 0 ? "" : $": '{string.Join("' '", _operands)}'")}.");
    }
}
