namespace OmniPg.Extractor.Filters;

/// <summary>One item of a filter and whether any object matched it.</summary>
internal sealed class FilterItem(string text, Func<string, bool> matches, bool isExpression = false, bool withChildren = false)
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
