using System.Text;

namespace OmniPg.Extractor;

/// <summary>Which names of one kind are extracted: an exclusion beats an inclusion; without inclusions everything is included.</summary>
/// <remarks>
/// Every method adds to what is there and returns this filter; the properties lead to the other filters of the same extraction, so that one
/// expression describes all. Not thread-safe while it is being filled.
/// </remarks>
public sealed class NameFilter
{
    private readonly ExtractionFilter _owner;
    private readonly Func<string, Func<string, bool>> _compile;
    private readonly List<Item> _included = [];
    private readonly List<Item> _excluded = [];

    internal NameFilter(ExtractionFilter owner, string name, Func<string, Func<string, bool>> compile)
    {
        _owner = owner;
        _compile = compile;
        Name = name;
    }

    /// <summary>Filter on schemas, see <see cref="ExtractionFilter.Schemas"/>.</summary>
    public NameFilter Schemas => _owner.Schemas;

    /// <summary>Filter on tables, see <see cref="ExtractionFilter.Tables"/>.</summary>
    public NameFilter Tables => _owner.Tables;

    /// <summary>Filter on views, see <see cref="ExtractionFilter.Views"/>.</summary>
    public NameFilter Views => _owner.Views;

    /// <summary>Filter on routines, see <see cref="ExtractionFilter.Routines"/>.</summary>
    public NameFilter Routines => _owner.Routines;

    /// <summary>Filter on owners, see <see cref="ExtractionFilter.Owners"/>.</summary>
    public NameFilter Owners => _owner.Owners;

    /// <summary>Filter on the names of all objects, see <see cref="ExtractionFilter.Names"/>.</summary>
    public NameFilter Names => _owner.Names;

    /// <summary>Filter on extensions, see <see cref="ExtractionFilter.Extensions"/>.</summary>
    public NameFilter Extensions => _owner.Extensions;

    /// <summary>Filter on rows, see <see cref="ExtractionFilter.TableData"/>.</summary>
    public NameFilter TableData => _owner.TableData;

    internal string Name { get; }

    internal IEnumerable<(Item Item, bool IsIncluded)> Items =>
        _included.Select(static item => (item, true)).Concat(_excluded.Select(static item => (item, false)));

    internal IReadOnlyList<string> IncludedItems => [.. _included.Select(static item => item.Text)];

    internal bool HasOnlyPlainInclusions => _excluded.Count == 0 && _included.TrueForAll(static item => !item.IsExpression);

    internal bool IsEmpty => _included.Count == 0 && _excluded.Count == 0;

    /// <summary>Includes items; as soon as there is one inclusion, everything else of this kind is left out.</summary>
    /// <param name="items">Items in the form this filter takes.</param>
    /// <returns>This filter.</returns>
    public NameFilter Include(params ReadOnlySpan<string> items) => Add(_included, items);

    /// <summary>Excludes items, whatever is included.</summary>
    /// <param name="items">Items in the form this filter takes.</param>
    /// <returns>This filter.</returns>
    public NameFilter Exclude(params ReadOnlySpan<string> items) => Add(_excluded, items);

    /// <summary>Includes what a regular expression finds; it is searched, not anchored, in the same text the items are compared with.</summary>
    /// <param name="expression">A .NET regular expression, run in linear time where it allows that, with a limit of 2 s otherwise.</param>
    /// <returns>This filter.</returns>
    /// <exception cref="ExtractorOptionException">It does not parse.</exception>
    public NameFilter IncludeRegex(string expression) => AddRegex(_included, expression);

    /// <summary>Excludes what a regular expression finds.</summary>
    /// <param name="expression">As in <see cref="IncludeRegex"/>.</param>
    /// <returns>This filter.</returns>
    /// <exception cref="ExtractorOptionException">It does not parse.</exception>
    public NameFilter ExcludeRegex(string expression) => AddRegex(_excluded, expression);

    /// <summary>Includes the items of a file: one per line, <c>#</c> starts a comment line, empty lines are skipped, UTF-8 with or without BOM.</summary>
    /// <param name="path">The file.</param>
    /// <returns>This filter.</returns>
    /// <exception cref="ExtractorOptionException">It cannot be read.</exception>
    public NameFilter IncludeFile(string path) => Include([.. ReadItems(path, Name)]);

    /// <summary>Excludes the items of a file, read as by <see cref="IncludeFile"/>.</summary>
    /// <param name="path">The file.</param>
    /// <returns>This filter.</returns>
    /// <exception cref="ExtractorOptionException">It cannot be read.</exception>
    public NameFilter ExcludeFile(string path) => Exclude([.. ReadItems(path, Name)]);

    /// <summary>Whether a name passes. Every item is tried, because an item that another one shadows is still not unmatched.</summary>
    /// <param name="name">The name.</param>
    /// <param name="ancestors">For tables: those it is a partition of or inherits from, over any number of levels.</param>
    internal bool Admits(string name, params IReadOnlyList<string> ancestors)
    {
        var excluded = AnyMatches(_excluded, name, ancestors);
        var included = AnyMatches(_included, name, ancestors) || _included.Count == 0;
        return included && !excluded;
    }

    internal IEnumerable<string> Unmatched() =>
        _included.Concat(_excluded).Where(static item => !item.Used)
            .Select(item => item.IsExpression ? $"{Name}: /{item.Text}/" : $"{Name}: {item.Text}");

    internal void ForgetMatches()
    {
        foreach (var item in _included.Concat(_excluded))
            item.Reset();
    }

    /// <summary>Items of a file: one per line, trimmed; empty lines and lines that start with <c>#</c> are left out.</summary>
    internal static IEnumerable<string> ReadItems(string path, string option)
    {
        string text;
        try
        {
            text = File.ReadAllText(path, Encoding.UTF8);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ExtractorOptionException(option, $"The {option} file '{path}' cannot be read: {error.Message}", innerException: error);
        }
        return text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Where(static line => line[0] != '#');
    }

    internal NameFilter AddRegex(bool include, string expression, bool withChildren) => AddRegex(include ? _included : _excluded, expression, withChildren);

    private static bool AnyMatches(List<Item> items, string name, IReadOnlyList<string> ancestors)
    {
        var any = false;
        foreach (var item in items)
            any |= item.Matches(name, ancestors);
        return any;
    }

    private NameFilter Add(List<Item> items, ReadOnlySpan<string> texts)
    {
        foreach (var text in texts)
        {
            ArgumentException.ThrowIfNullOrEmpty(text);
            items.Add(new Item(text, _compile(text)));
        }
        return this;
    }

    private NameFilter AddRegex(List<Item> items, string expression, bool withChildren = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(expression);
        var regex = NamePattern.Compile(expression, $"{Name} expression");
        items.Add(new Item(expression, name => NamePattern.Matches(regex, name, $"{Name} expression"), isExpression: true, withChildren));
        return this;
    }

    /// <summary>One item of a filter and whether any object matched it.</summary>
    internal sealed class Item(string text, Func<string, bool> matches, bool isExpression = false, bool withChildren = false)
    {
        private int _used;

        public string Text => text;

        public bool IsExpression => isExpression;

        /// <summary>Whether partitions and inheriting tables of a matching table match as well.</summary>
        public bool WithChildren => withChildren;

        public bool Used => Volatile.Read(ref _used) != 0;

        public void Reset() => Volatile.Write(ref _used, 0);

        public bool Matches(string name, IReadOnlyList<string> ancestors)
        {
            if (!matches(name) && !(withChildren && ancestors.Any(matches)))
                return false;
            Volatile.Write(ref _used, 1);
            return true;
        }
    }
}
