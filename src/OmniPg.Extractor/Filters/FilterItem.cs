namespace OmniPg.Extractor.Filters;

/// <summary>One item of a filter and whether any object matched it.</summary>
internal sealed class FilterItem(string text, Func<string, bool> matches, bool isExpression = false)
{
    private int _used;

    public string Text => text;

    public bool IsExpression => isExpression;

    public bool Used => Volatile.Read(ref _used) != 0;

    public void Reset() => Volatile.Write(ref _used, 0);

    public bool Matches(string name)
    {
        if (!matches(name))
            return false;
        Volatile.Write(ref _used, 1);
        return true;
    }
}
